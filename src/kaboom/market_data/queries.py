"""The queries of the read routes; every parameter has a limit."""

import re
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, WithJsonSchema

from kaboom.errors import InvalidRequest
from kaboom.indicators.table import MAX_INDICATORS
from kaboom.market.calendar import NEWEST_YEAR, OLDEST_YEAR
from kaboom.market.fields import Moment
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.providers.registry import SourceName

MOST_BARS = 20_000
MOST_CHART_BARS = 5_000
MOST_CELLS = 100_000
MOST_LISTINGS = 5_000
MOST_REJECTED = 10_000
#: A year has about 245 sessions.
MOST_SESSIONS = 260
_MOST_SYMBOLS = 200
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
#: More than two hundred years before and after 1970.
_MOST_S = 8_000_000_000
_YEARS_OF_SESSIONS = "^(199[0-9]|20[0-9]{2})-"
_CURSOR = Field(default=None, max_length=300, description="next_cursor of the page before")


def _to_session(value: Any) -> date:
    text = str(value)
    if not _DAY.fullmatch(text):
        raise ValueError("expected a day as YYYY-MM-DD")
    found = date.fromisoformat(text)
    if not OLDEST_YEAR <= found.year <= NEWEST_YEAR:
        raise ValueError(f"expected a year from {OLDEST_YEAR} to {NEWEST_YEAR}")
    return found


Session = Annotated[
    date,
    BeforeValidator(_to_session),
    WithJsonSchema({"type": "string", "format": "date", "pattern": _YEARS_OF_SESSIONS, "examples": ["2025-11-04"]}),
]
Symbol = Annotated[str, Field(min_length=1, max_length=20)]
#: Why a row was rejected, such as `off_grid`; `docs/reference/quality.md` lists the reasons.
Reason = Annotated[str, Field(max_length=40, pattern="^[a-z0-9_ ]+$")]


def _to_second(value: Any) -> datetime:
    if type(value) is not int or abs(value) > _MOST_S:
        raise ValueError("expected seconds since 1970")
    return datetime.fromtimestamp(value, UTC)


_KNOWN = Field(
    default=None,
    description="by the lists that were known at this time, with its zone, or at 00:00 in Japan of a day; not in the"
    " future; default: by all",
)


class Query(BaseModel):
    """The query of a read route."""

    model_config = ConfigDict(extra="forbid")

    #: The values in a cursor of the list.
    place_shape: ClassVar[TypeAdapter[Any]]


class _SeriesQuery(Query):
    interval: Interval = Interval.M1
    provider: SourceName | None = Field(
        default=None, description="whose bars; default: KABOOM_PROVIDER. Two providers never mix"
    )


class _BarsQuery(_SeriesQuery):
    as_of: Moment | None = Field(
        default=None,
        description="bars as they were known at this time, with its zone, or at 00:00 in Japan of a day; not in the"
        " future; default: as they are",
    )


class _SpanQuery(_BarsQuery):
    adjusted: bool = Field(default=False, description="for splits; false: raw bars, as traded")
    total_return: bool = Field(
        default=False,
        description="adjusted for cash dividends too, as if each were reinvested at the close before its ex-session",
    )
    start: Moment | None = Field(
        default=None,
        description="a time with its zone, or a day (00:00 in Japan); default: 31 days before `end`, of 1d 366",
    )
    end: Moment | None = Field(default=None, description="as `start`, not included; default: tonight in Japan")

    @property
    def is_adjusted(self) -> bool:
        """Whether bars are adjusted, for splits or for a total return."""
        return self.adjusted or self.total_return


class BarsQuery(_SpanQuery):
    """Bars of one symbol with `start <= opened_at < end`, oldest first."""

    place_shape = TypeAdapter(tuple[Annotated[datetime, BeforeValidator(_to_second)]])
    limit: int = Field(default=1_000, ge=1, le=MOST_BARS)
    cursor: str | None = _CURSOR


class ChartInterval(StrEnum):
    """The length of a bar of a chart: that of stored bars, or a week of days."""

    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    H1 = "1h"
    D1 = "1d"
    W1 = "1w"

    @property
    def stored(self) -> Interval:
        """The interval of the stored bars."""
        return Interval.D1 if self is ChartInterval.W1 else Interval(self.value)


class ChartQuery(Query):
    """The newest bars of one symbol with `start <= opened_at < end`, oldest first, with indicators."""

    interval: ChartInterval = ChartInterval.D1
    provider: SourceName | None = Field(default=None, description="whose bars; default: KABOOM_PROVIDER")
    adjusted: bool = Field(default=False, description="for splits; false: raw bars, as traded")
    start: Moment | None = Field(
        default=None,
        description="a time with its zone, or a day (00:00 in Japan); default: 31 days before `end`, of 1d and 1w 366",
    )
    end: Moment | None = Field(default=None, description="as `start`, not included; default: tonight in Japan")
    indicator: list[Annotated[str, Field(max_length=40)]] = Field(
        default=[], max_length=MAX_INDICATORS, description="such as sma:25 or macd:12,26,9; may be repeated"
    )
    volume_average: int | None = Field(
        default=None, ge=2, le=500, description="also the moving average of the volume of this many bars"
    )
    limit: int = Field(default=2_000, ge=1, le=MOST_CHART_BARS)

    @property
    def plain(self) -> "BarsQuery":
        """The query for the stored bars."""
        return BarsQuery(
            interval=self.interval.stored,
            provider=self.provider,
            adjusted=self.adjusted,
            start=self.start,
            end=self.end,
        )


class ManyBarsQuery(_SpanQuery):
    """Bars of many symbols with `start <= opened_at < end`, by session, symbol and time."""

    symbols: str | None = Field(
        default=None,
        max_length=20_000,
        pattern=r"^[0-9A-Za-z.^=-]{1,20}(,[0-9A-Za-z.^=-]{1,20})*$",
        description="only these, with commas between; default: all that are held",
    )
    market: Market | None = Field(default=None, description="only the symbols of this market at the end of the span")
    session: Session | None = Field(default=None, description="one session, in place of `start` and `end`")


class _SomeQuery(_SeriesQuery):
    symbol: list[Symbol] = Field(default=[], max_length=_MOST_SYMBOLS, description="only these; may be repeated")


class LatestQuery(_SomeQuery, _BarsQuery):
    """The newest bar of every symbol, or of some."""


class CoverageQuery(_SomeQuery, _BarsQuery):
    """The stored bars by symbol and session, from session `first` to session `last`, both included."""

    first: Session | None = Field(default=None, description="default: 30 days before `last`")
    last: Session | None = Field(default=None, description="default: today in Japan; at most 366 days after `first`")
    finality: bool = Field(default=False, description="say of each cell whether it is final (`is_final`); slower")
    place_shape = TypeAdapter(tuple[str, date])
    limit: int = Field(default=10_000, ge=1, le=MOST_CELLS)
    cursor: str | None = _CURSOR


class QuarantineQuery(_SeriesQuery):
    """Rows that hard quality rules rejected, newest first."""

    session: Session | None = Field(default=None, description="only rows with a time on this day in Japan")
    symbol: str | None = Field(
        default=None, max_length=100, description='only this symbol, as the row has it; "": none'
    )
    reason: Reason | None = None
    place_shape = TypeAdapter(tuple[int, str])
    limit: int = Field(default=1_000, ge=1, le=MOST_REJECTED)
    cursor: str | None = _CURSOR


class StoredSeriesQuery(Query):
    """Which series of bars are stored."""


class _JudgedQuery(_SeriesQuery):
    provider: SourceName | None = Field(
        default=None,
        description="whose bars; default: those of KABOOM_PROVIDER, or without any those rolled up from its minutes",
    )
    sessions: int = Field(default=20, ge=1, le=MOST_SESSIONS, description="how many sessions, up to `last`")
    last: Session | None = Field(default=None, description="the last session; default: today in Japan")


class CellQuery(_JudgedQuery):
    """The state of one symbol in each of the newest sessions."""


class SessionsQuery(_JudgedQuery):
    """How complete each of the newest sessions is."""

    market: Market | None = Field(
        default=None, description="all symbols of this market; default: those with a bar or a request in these sessions"
    )


class CellsQuery(SessionsQuery):
    """The state of every symbol in each of the newest sessions."""

    sessions: int = Field(default=250, ge=1, le=MOST_SESSIONS, description="how many sessions, up to `last`")


class SymbolsQuery(Query):
    """Listed issues, by market or by search words."""

    market: Market | None = None
    q: str = Field(
        default="",
        max_length=100,
        pattern=r"^[^\x00-\x1f]*$",
        description="words that symbol, names or sector hold, all of them, in any width and case",
    )
    session: Session | None = Field(default=None, description="as of this day; default: today in Japan")
    as_of: Moment | None = _KNOWN
    place_shape = TypeAdapter(tuple[str])
    limit: int = Field(default=1_000, ge=1, le=MOST_LISTINGS)
    cursor: str | None = _CURSOR


class UniverseQuery(Query):
    """The symbols of a market as of a session."""

    market: Market = Market.TSE_PRIME
    session: Session | None = Field(default=None, description="default: today in Japan")
    as_of: Moment | None = _KNOWN


class CalendarQuery(Query):
    """The sessions from `first` to `last`, both included."""

    first: Session | None = Field(default=None, description="default: today in Japan")
    last: Session | None = Field(default=None, description="default: 31 days after `first`; at most 3,660 days after")


def days_between(first: date, last: date, *, most: int) -> tuple[date, date]:
    """Return two days after checking them.

    Raises:
        InvalidRequest: the days are not in order, or more than `most` days apart.

    """
    if first > last:
        raise InvalidRequest(f"first was {first} and last {last}, expected them in order", pointer="/first")
    if last - first > timedelta(days=most):
        raise InvalidRequest(
            f"first was {first} and last {last}, at most {most} days apart are allowed", pointer="/last"
        )
    return first, last
