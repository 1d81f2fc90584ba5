"""The providers that exist: names and capabilities as plain data, importable without numpy or polars."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType

from batch.errors import InvalidRequest
from batch.market.interval import Interval
from batch.market.listing import Market
from batch.market.source import provider_of
from batch.market.symbol import parse_foreign_symbol, parse_symbol
from batch.providers.base import Capabilities


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """What is known of a provider before it is built.

    Attributes:
        name: its namespace, as in `BarProvider.name`.
        capabilities: what it can do.
        is_real: whether its bars are of a real market; made-up ones must be labelled wherever they are shown.
        summary: one line for people.
        terms_url: under whose terms its data may be used; `""` where there are none.
        has_master: whether it has a list of what is listed, and so is a `MasterProvider`.

    """

    name: str
    capabilities: Capabilities
    is_real: bool
    summary: str
    terms_url: str = ""
    has_master: bool = False

    def parse_symbol(self, text: str) -> str:
        """Return the symbol that a text means among this provider's: a TSE local code, or a file's freer name.

        Raises:
            InvalidRequest: it can be none of its symbols.

        """
        parse = parse_foreign_symbol if Market.FILE in self.capabilities.markets else parse_symbol
        return parse(text)


_TSE_MARKETS = frozenset(market for market in Market if market.is_tse)
_INTRADAY = frozenset(interval for interval in Interval if interval.is_intraday)

_SPECS: Mapping[str, ProviderSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            ProviderSpec(
                "synthetic",
                # 50 symbols x 327 minutes are about 13,000 rows; a chunk of a session has a checkpoint in its middle.
                # A bar is there when it is over, which the closing auction's is a minute after its stamp.
                Capabilities(
                    frozenset(Interval),
                    _TSE_MARKETS,
                    symbols_per_fetch=50,
                    delay=timedelta(minutes=1),
                    is_live=True,
                ),
                is_real=False,
                summary="Made-up bars under the TSE's real rules: deterministic, offline, free.",
            ),
            ProviderSpec(
                "file",
                Capabilities(frozenset(Interval), frozenset(Market), symbols_per_fetch=100, knows_listings=True),
                is_real=True,
                summary="Bars from your own CSV or Parquet files.",
            ),
            ProviderSpec(
                "jquants",
                Capabilities(
                    frozenset(Interval),
                    _TSE_MARKETS,
                    bulk_by_session=frozenset({Interval.D1}),
                    # Ten symbols are ten questions: at 60 a minute a slice is done every ten seconds.
                    symbols_per_fetch=10,
                    reach_days=dict.fromkeys(_INTRADAY, 730),
                    requests_per_minute=60,
                    concurrency=4,
                    knows_listings=True,
                    # Published at about 16:30 in Japan, an hour after the close.
                    delay=timedelta(hours=1),
                ),
                is_real=True,
                summary="J-Quants API v2 of the exchange's group, with your own key; for personal use.",
                terms_url="https://jpx-jquants.com/",
                has_master=True,
            ),
            ProviderSpec(
                "yahoo",
                Capabilities(
                    frozenset(Interval),
                    _TSE_MARKETS,
                    symbols_per_fetch=10,
                    reach_days=dict.fromkeys(_INTRADAY, 29),
                    requests_per_minute=60,
                    concurrency=2,
                    # Its quotes of Tokyo are 20 minutes late.
                    delay=timedelta(minutes=20),
                    is_live=True,
                ),
                is_real=True,
                summary="Yahoo's charts, without any promise; for personal use.",
                terms_url="https://legal.yahoo.com/us/en/yahoo/terms/otos/index.html",
            ),
        )
    }
)


def provider_names() -> tuple[str, ...]:
    """Return the names of all providers, the default first."""
    return tuple(_SPECS)


def master_names() -> tuple[str, ...]:
    """Return the names of the providers that have a list of what is listed."""
    return tuple(name for name, spec in _SPECS.items() if spec.has_master)


def get_provider_spec(name: str) -> ProviderSpec:
    """Return what is known of a provider.

    Raises:
        InvalidRequest: there is none of that name.

    """
    try:
        return _SPECS[name]
    except KeyError as e:
        allowed = ", ".join(_SPECS)
        raise InvalidRequest(f"provider was {name[:20]!r}, supported are {allowed}", pointer="/provider") from e


def get_source_spec(source: str) -> ProviderSpec:
    """Return what is known of whose bars a namespace holds: a provider's own, or those rolled up from its minutes.

    Raises:
        InvalidRequest: there is no such provider.

    """
    return replace(get_provider_spec(provider_of(source)), name=source)


def check_has_master(name: str) -> ProviderSpec:
    """Return what is known of a provider that has a list of what is listed.

    Raises:
        InvalidRequest: there is none of that name, or it has no such list; it says which have one.

    """
    spec = get_provider_spec(name)
    if not spec.has_master:
        having = ", ".join(master_names())
        raise InvalidRequest(
            f"provider was {name}, which has no symbol master, supported are {having};"
            " `kaboom symbols import` takes JPX's own list",
            pointer="/provider",
        )
    return spec
