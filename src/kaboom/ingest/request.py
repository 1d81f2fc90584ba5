"""The requests of an ingest: a daily ingest, a backfill, and a refresh of quotes."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self, override

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from kaboom.drivers.request import PlannedRequest
from kaboom.errors import InvalidRequest
from kaboom.market.bounds import DEFAULT_CHUNK_SIZE
from kaboom.market.fields import (
    WHOLE,
    Day,
    IntervalKey,
    IntervalName,
    Lookbacks,
    MarketName,
    SymbolTexts,
    parse_symbols,
)
from kaboom.market.indices import parse_index
from kaboom.market.interval import Interval
from kaboom.market.listing import Market, default_interval
from kaboom.market.symbol import parse_foreign_symbol, parse_symbol
from kaboom.providers.registry import ProviderName, provider_specs

MAX_CHUNK_SIZE = 100_000

#: The providers whose bars are of no known market; a tuple, since a caller may send a value that cannot be hashed.
_OWN_FILES = tuple(spec.name for spec in provider_specs() if Market.FILE in spec.capabilities.markets)

_Only = dict[IntervalKey, SymbolTexts]


class _OfMarket(PlannedRequest):
    market: MarketName = Market.TSE_PRIME
    symbols: SymbolTexts | None = Field(default=None, description="only these; default: all that are listed")
    provider: ProviderName | None = Field(default=None, description="who is asked; default: KABOOM_PROVIDER")

    @model_validator(mode="before")
    @classmethod
    def _fill_market(cls, values: Any) -> Any:
        """Fill in market FILE for a provider of the user's own files, which belong to no section of an exchange."""
        if isinstance(values, Mapping) and values.get("market") is None and values.get("provider") in _OWN_FILES:
            return {**values, "market": Market.FILE}
        return values

    @field_validator("symbols")
    @classmethod
    def _parse_symbols(cls, texts: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        return texts and parse_symbols(texts, _symbol_parser(info.data.get("market")))


class _OfIntervals(_OfMarket):
    intervals: Lookbacks = Field(description="bar length → look-back in trading sessions, the last one included")
    chunk_size: Annotated[int, Field(ge=1, le=MAX_CHUNK_SIZE), WHOLE] = Field(
        default=DEFAULT_CHUNK_SIZE,
        description="points in one write request to a store over a network; the embedded store does not need it",
    )
    only: SkipJsonSchema[_Only | None] = Field(default=None, description="what a retry has left to do")

    internal: ClassVar[frozenset[str]] = frozenset({"only"})

    @field_validator("only")
    @classmethod
    def _parse_only(cls, only: _Only | None, info: ValidationInfo) -> _Only | None:
        parse = _symbol_parser(info.data.get("market"))
        return only and {interval: parse_symbols(texts, parse) for interval, texts in only.items()}


class IngestRequest(_OfIntervals):
    """Which bars to take: interval → look-back in trading sessions, of a market's universe or of some symbols."""

    intervals: Lookbacks = Field(
        default_factory=dict, description="bar length → look-back in trading sessions, the last one included"
    )
    session: Day | None = Field(default=None, description="the last session; default: newest closed")
    first: Day | None = Field(default=None, description="of own files: every day from this one on, not a look-back")
    all_days: bool = Field(default=False, description="of own files: every day that they have, not a look-back")

    cli_flags: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "session": ("--session", "--to"),
        "first": ("--from",),
        "all_days": ("--all",),
    }

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        if not (self.intervals or self.first or self.all_days):
            raise InvalidRequest("intervals was missing, expected bar lengths such as 1m", pointer="/intervals")
        if self.first and self.all_days:
            raise InvalidRequest(f"first was {self.first} beside all_days, expected one of both", pointer="/first")
        if self.first and self.session and self.first > self.session:
            raise InvalidRequest(
                f"first was {self.first} and session {self.session}, expected them in order", pointer="/first"
            )
        return self

    @classmethod
    @override
    def fill_in(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that the command line sends; by default, one session of the market's default bar length."""
        if given.get("first") or given.get("all_days"):
            return dict(given)
        return {"intervals": {default_interval(given.get("market")): 1}, **given}

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON types, without the fields that were left out."""
        unused = {"intervals": {}, "all_days": False}
        return {name: value for name, value in super().to_json().items() if unused.get(name) != value}


class BackfillRequest(_OfIntervals):
    """Which bars should be there: interval → look-back in sessions, of a market's universe or of some symbols."""

    first: Day | None = Field(default=None, description="no session before this one, whatever the look-back")
    last: Day | None = Field(default=None, description="the last session; default: newest closed")
    include_short: bool = Field(
        default=False, description="also sessions with less than half of the symbol's median, or no closing auction"
    )

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.first and self.last and self.first > self.last:
            raise InvalidRequest(
                f"first was {self.first} and last {self.last}, expected them in order", pointer="/first"
            )
        return self

    @classmethod
    def of(cls, scope: IngestRequest) -> Self:
        """Return the backfill of all bars that an ingest would fetch."""
        return cls(**{name: getattr(scope, name) for name in _OfIntervals.model_fields}, last=scope.session)

    @property
    def scope(self) -> IngestRequest:
        """The expected bars, as the request of a daily ingest."""
        return IngestRequest(**{name: getattr(self, name) for name in _OfIntervals.model_fields}, session=self.last)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Return the request from JSON types; in the ledger `last` is called `session`, as in other requests.

        Raises:
            InvalidRequest: a value is not allowed; `pointer` names its field.

        """
        given = dict(values)
        return super().parse(given | ({"last": given.pop("session")} if "session" in given else {}))

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON types, without the fields that were left out."""
        kept = super().to_json()
        if not self.include_short:
            del kept["include_short"]
        return kept | ({"session": kept.pop("last")} if self.last else {})


class QuotesRequest(_OfMarket):
    """Whose newest bars to take: those of a market's universe, or of some symbols."""

    interval: IntervalName = Field(default=Interval.M1, description="bar length; default of market INDEX: 1d")

    @model_validator(mode="before")
    @classmethod
    def _fill_interval(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and "interval" not in values and values.get("market") == Market.INDEX:
            return {**values, "interval": Interval.D1.value}
        return values

    def to_ingest(self, default_provider: str) -> IngestRequest:
        """Return the request as an ingest of one session."""
        return IngestRequest(
            intervals={self.interval: 1},
            market=self.market,
            symbols=self.symbols,
            provider=self.provider or default_provider,
            dry_run=self.dry_run,
        )


def _symbol_parser(market: Market | None) -> Any:
    if market is Market.INDEX:
        return parse_index
    return parse_foreign_symbol if market is Market.FILE else parse_symbol
