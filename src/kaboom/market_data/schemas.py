"""The answers of the read routes for OpenAPI; the answers themselves are encoded from columns without these."""

from datetime import date
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from kaboom.bars.coverage.cells import CellState
from kaboom.market.action import ActionKind, ActionState
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market_data import examples

_OPENED = "the start of the bar, UTC; of a daily bar 00:00 UTC of its session"
_FLAGS = "what quality rules saw, as a sum; docs/reference/outcomes.md has the values"


class Bar(BaseModel):
    """One bar. The auctions at 11:30 and at the close have their own bars."""

    opened_at: AwareDatetime = Field(description=_OPENED)
    open: float
    high: float
    low: float
    close: float
    volume: int
    flags: int = Field(description=_FLAGS)


class SymbolBar(Bar):
    """A raw bar with its symbol."""

    symbol: str


class _Series(BaseModel):
    interval: Interval
    provider: str
    is_real: bool = Field(description="false: made up, no market data")


class AppliedAction(BaseModel):
    """A corporate action that bars are adjusted by."""

    ex_session: date = Field(description="the first session at the new price")
    factor: float = Field(description="what prices before it are multiplied by, and volumes divided by")
    kind: ActionKind
    state: ActionState


class AppliedDividend(BaseModel):
    """A cash dividend that a total return reinvests."""

    ex_session: date
    amount: float = Field(description="yen for each share held at the close before")
    close: float | None = Field(description="the raw close before; null: none is held")
    factor: float | None = Field(
        description="1 - amount / close, by which prices before it are multiplied; null: not applied"
    )


class _Known(BaseModel):
    known_at: AwareDatetime | None = Field(
        default=None, description="with `as_of` alone: that moment, as the header Kaboom-Known-At"
    )


class BarPage(_Series, _Known):
    """Bars of one symbol, oldest first, with `start <= opened_at < end`."""

    model_config = ConfigDict(json_schema_extra={"example": examples.BARS})

    symbol: str
    adjusted: bool
    action_set: str | None = Field(
        default=None, description="of adjusted bars: changes with the actions, as the header Kaboom-Action-Set"
    )
    actions: list[AppliedAction] | None = Field(default=None, description="of adjusted bars, oldest first")
    total_return: bool = Field(default=False, description="whether dividends adjust the bars too")
    dividends: list[AppliedDividend] | None = Field(
        default=None, description="of a total return: those after the first bar that is asked for, oldest first"
    )
    start: AwareDatetime
    end: AwareDatetime
    items: list[Bar]
    next_cursor: str | None


class LatestBars(_Series, _Known):
    """The newest bar of every symbol, sorted by symbol."""

    model_config = ConfigDict(json_schema_extra={"example": examples.LATEST})

    items: list[SymbolBar]
    next_cursor: None


class Cell(BaseModel):
    """The stored bars of one symbol in one session; without bars there is no cell."""

    symbol: str
    session: date
    bars: int
    first_at: AwareDatetime = Field(description="`opened_at` of the first bar")
    last_at: AwareDatetime = Field(description="`opened_at` of the last bar")
    flagged: int = Field(description="how many bars have any flag")
    flags: int = Field(description="the flags of all bars together")
    is_final: bool | None = Field(
        default=None,
        description="with `finality=true` alone: whether the provider was asked for them late enough after the close"
        " to give what it will leave; null: nobody noted when, and the session is younger than seven days",
    )


class CoveragePage(_Series, _Known):
    """The stored bars, sorted by symbol, then session."""

    model_config = ConfigDict(json_schema_extra={"example": examples.COVERAGE})

    first: date
    last: date
    items: list[Cell]
    next_cursor: str | None


class RejectedRow(BaseModel):
    """A row as the provider returned it, and the reason of its rejection."""

    session: date | None = Field(description="the day of `opened_at` in Japan; null without a time")
    symbol: str = Field(description="as the row has it, also where it is no symbol; empty if it had none")
    opened_at: AwareDatetime | None
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: float | None
    reason: str = Field(description="the first hard rule that it broke; docs/reference/quality.md lists them")
    file: str | None = Field(description="where the provider reads files: the path below its folder; otherwise null")
    line: int | None = Field(description="the line in `file`, or the row of a Parquet file, counted from 1")


class QuarantinePage(_Series):
    """Rejected rows, newest first; those without a time come last."""

    model_config = ConfigDict(json_schema_extra={"example": examples.QUARANTINE})

    total: int = Field(description="rows of all pages")
    reasons: dict[str, int] = Field(description="rows by reason, the most frequent first, without the filter `reason`")
    items: list[RejectedRow]
    next_cursor: str | None


class JudgedSession(BaseModel):
    """How complete one session is, and how many symbols are in each state."""

    session: date
    verdict: Literal["pending", "degraded", "gaps", "complete"]
    symbols: int
    bars: int
    median: float | None = Field(description="bars of a symbol that has any; null if none has")
    flagged: int = Field(description="how many bars have any flag")
    quarantined: int = Field(description="how many rows of the day are in quarantine")
    pending: int
    missing: int
    empty: int
    lost: int
    not_final: int
    outdated: int
    short: int
    no_auction: int
    differs: int
    complete: int


class SessionPage(_Series):
    """The newest sessions, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": examples.SESSIONS})

    items: list[JudgedSession]
    next_cursor: None


class JudgedCell(BaseModel):
    """The state of a symbol in one session, with the facts behind it."""

    session: date
    state: CellState
    bars: int
    expected: float | None = Field(description="the median that its bars were compared with; null if it is unknown")
    first_at: AwareDatetime | None = Field(description="`opened_at` of the first bar")
    last_at: AwareDatetime | None = Field(description="`opened_at` of the last bar")
    flagged: int = Field(description="how many bars have any flag")
    flags: int = Field(description="the flags of all bars together")
    asked_at: AwareDatetime | None = Field(description="when the provider was last asked; null if nobody noted it")
    is_final: bool | None = Field(description="as of `/coverage`")


class CellPage(_Series):
    """The cells of one symbol, newest session first."""

    model_config = ConfigDict(json_schema_extra={"example": examples.CELL})

    symbol: str
    items: list[JudgedCell]
    next_cursor: None


class ListedSymbol(BaseModel):
    """One listed issue, as in JPX's list, or an index."""

    symbol: str
    name: str
    name_en: str = Field(description="its English name; empty where the list has none: JPX's has none")
    market: Market
    sector33: str = Field(description="one of the 33 sectors, by JPX's Japanese name")
    sector33_code: str = Field(description="its code, four digits; empty for a name that is not one of the 33")
    sector33_en: str = Field(description="its English name; empty likewise")
    scale: str
    is_topix500: bool = Field(description="whether it has the finer ticks")
    is_listed: bool = Field(description="false: in the list, and known to be gone by the session")
    first_seen: date = Field(description="the date of the first list with it in this market")
    left_by: date | None = Field(description="the date of the first list after without it there, also of a later one")
    moved_to: Market | None = Field(description="the market that it left for")
    renamed_to: str | None = Field(description="the code that the company of this name had from then on")


class _Dated(_Known):
    session: date
    as_of: date = Field(description="the date of the list: what was listed since is missing")
    source: str
    items: list[ListedSymbol]


class SymbolPage(_Dated):
    """Listed issues, sorted by symbol."""

    model_config = ConfigDict(json_schema_extra={"example": examples.SYMBOLS})

    next_cursor: str | None


class UniverseView(_Dated):
    """The symbols of a market as of a session."""

    model_config = ConfigDict(json_schema_extra={"example": examples.UNIVERSE})

    market: Market
    age_days: int = Field(description="days between the list and the session, either way")
    next_cursor: None


class TradingSession(BaseModel):
    """One session and its hours."""

    session: date
    opens_at: AwareDatetime
    am_closes_at: AwareDatetime = Field(description="the morning's closing auction")
    pm_opens_at: AwareDatetime
    closes_at: AwareDatetime = Field(description="the closing auction")
    minutes: int = Field(description="the 1m bars that a symbol can have at most")


class CalendarView(BaseModel):
    """The sessions of the TSE, oldest first."""

    model_config = ConfigDict(json_schema_extra={"example": examples.CALENDAR})

    first: date
    last: date
    time_zone: Literal["Asia/Tokyo"]
    items: list[TradingSession]
    next_cursor: None
