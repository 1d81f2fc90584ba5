"""What a caller may ask of a job that computes indicators; importable without polars, since the API checks it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from batch.errors import InvalidRequest
from batch.indicators.chosen import Indicator, parse_indicators
from batch.market.bounds import MAX_LOOKBACK, parse_count, parse_day, parse_symbols
from batch.market.interval import Interval, parse_interval
from batch.market.listing import Market, parse_market
from batch.providers.registry import ProviderSpec, get_source_spec

DEFAULT_SESSIONS = 250


@dataclass(frozen=True, slots=True)
class IndicatorRequest:
    """Which indicators to compute, of which bars.

    Attributes:
        provider: whose bars, or whose rolled-up ones (`synthetic_from_1m`).
        interval: their length.
        indicators: with their parameters.
        sessions: look-back in trading sessions, the last one included.
        market: only symbols of this section, where given.
        symbols: only these, where not empty; else all of which bars are held.
        session: the last session; None for the newest one that has closed.
        is_adjusted: whether bars are adjusted for splits first; else they are as traded.

    """

    provider: str
    interval: Interval
    indicators: tuple[Indicator, ...]
    sessions: int = DEFAULT_SESSIONS
    market: Market | None = None
    symbols: tuple[str, ...] = ()
    session: date | None = None
    is_adjusted: bool = True

    @property
    def spec(self) -> ProviderSpec:
        """What is known of whose bars they are."""
        return get_source_spec(self.provider)

    @property
    def is_tse(self) -> bool:
        """Whether the bars have the Tokyo Stock Exchange's calendar."""
        return Market.FILE not in self.spec.capabilities.markets

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON types, without what was not asked."""
        values: dict[str, Any] = {
            "provider": self.provider,
            "interval": self.interval.value,
            "indicators": [indicator.text for indicator in self.indicators],
            "sessions": self.sessions,
            "adjusted": self.is_adjusted,
        }
        optional = {
            "market": self.market.value if self.market else None,
            "symbols": list(self.symbols),
            "session": self.session.isoformat() if self.session else None,
        }
        return values | {name: value for name, value in optional.items() if value}


def parse_indicator_request(values: Mapping[str, Any], *, provider: str) -> IndicatorRequest:
    """Return the request that JSON types say, checked against every bound; `provider` is whose bars are meant by none.

    Raises:
        InvalidRequest: something in it cannot be; `pointer` says what.

    """
    spec = get_source_spec(values.get("provider") or provider)
    try:
        interval = parse_interval(values.get("interval", Interval.D1.value))
    except InvalidRequest as e:
        raise InvalidRequest(e.message, pointer="/interval") from e
    market = values.get("market")
    return IndicatorRequest(
        provider=spec.name,
        interval=interval,
        indicators=parse_indicators(values.get("indicators") or (), interval),
        sessions=parse_count(values.get("sessions", DEFAULT_SESSIONS), MAX_LOOKBACK, "/sessions"),
        market=None if market is None else parse_market(market),
        symbols=parse_symbols(values.get("symbols") or (), spec.parse_symbol),
        session=parse_day(values.get("session"), "session"),
        is_adjusted=bool(values.get("adjusted", True)),
    )
