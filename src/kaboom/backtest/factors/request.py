"""The request of a factor report; importable without numpy, since the API checks it."""

from collections.abc import Mapping
from typing import Annotated, Any, Self, override

from pydantic import Field, model_validator

from kaboom.backtest.request import DEFAULT_SESSIONS, BarsAsked
from kaboom.drivers.request import Request
from kaboom.errors import InvalidRequest
from kaboom.indicators.expression import MAX_LENGTH, Expression, parse_formula
from kaboom.market.fields import WHOLE, Day, LookBack, MarketName, Moment
from kaboom.providers.registry import OfSource, SourceName, SourceSymbols

#: The most sessions between a value and the close that its return ends with: a year.
_LONGEST = 250
_BARS = ("provider", "market", "symbols", "sessions", "first", "last", "as_of")


class FactorRequest(OfSource, Request):
    """Which factor to measure, on which daily bars, by the returns of how many sessions."""

    expression: Annotated[str, Field(min_length=1, max_length=MAX_LENGTH, examples=["change_20d"])] = Field(
        description="a column of daily bars or statements, or a formula of columns such as close / sma_75;"
        " docs/reference/screens.md lists the columns"
    )
    provider: SourceName | None = Field(default=None, description="whose bars; default: KABOOM_PROVIDER")
    market: MarketName | None = Field(default=None, description="all symbols of a market that have bars")
    symbols: SourceSymbols | None = Field(default=None, description="only these; give either symbols or a market")
    sessions: LookBack = Field(default=DEFAULT_SESSIONS, description="look-back in sessions, unless `first` is given")
    first: Day | None = Field(default=None, description="the first day")
    last: Day | None = Field(default=None, description="the last session; default: newest closed")
    horizons: Annotated[list[Annotated[int, Field(ge=1, le=_LONGEST), WHOLE]], Field(min_length=1, max_length=10)] = (
        Field(default=[1, 5, 10, 20], description="returns over so many sessions")
    )
    quantiles: Annotated[int, Field(ge=2, le=20), WHOLE] = Field(
        default=5, description="how many groups of symbols each session is cut into, by the factor"
    )
    as_of: Moment | None = Field(
        default=None,
        description="bars, splits and lists as they were known at this time, with its zone, or at 00:00 in Japan of a"
        " day; default: when the job reads them",
    )

    @classmethod
    @override
    def fill_in(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that the command line sends; by default, all symbols of TSE Prime."""
        return dict(given) if given.get("symbols") or given.get("market") else {**given, "market": "TSE_PRIME"}

    @property
    def formula(self) -> Expression:
        """The checked expression."""
        return parse_formula(self.expression)

    def to_bars(self) -> BarsAsked:
        """Return the request of the bars."""
        return BarsAsked.parse({name: value for name, value in self.to_json().items() if name in _BARS})

    @model_validator(mode="after")
    def _check(self) -> Self:
        parse_formula(self.expression)
        if len(set(self.horizons)) < len(self.horizons):
            raise InvalidRequest("horizons had one more than once, expected each once", pointer="/horizons")
        self.to_bars()
        return self
