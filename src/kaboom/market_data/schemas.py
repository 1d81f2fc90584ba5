"""The answers of the read routes for OpenAPI; the answers themselves are encoded from columns without these."""

from datetime import date
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

from kaboom.bars.coverage.cells import CellState
from kaboom.market.action import ActionKind, ActionState
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market_data.queries import ChartInterval

_OPENED = "the start of the bar, UTC; of a daily bar 00:00 UTC of its session"
_FLAGS = "what quality rules saw, as a sum; docs/reference/outcomes.md has the values"


class Bar(BaseModel):
    """One bar. The auctions at 11:30 and at the close have their own bars."""

    opened_at: AwareDatetime = Field(description=_OPENED, examples=["2025-11-04T00:00:00Z"])
    open: float = Field(examples=[2841.5])
    high: float = Field(examples=[2849.0])
    low: float = Field(examples=[2838.0])
    close: float = Field(examples=[2847.5])
    volume: int = Field(examples=[184300])
    flags: int = Field(description=_FLAGS, examples=[0])


class SymbolBar(Bar):
    """A raw bar with its symbol."""

    symbol: str


class _Series(BaseModel):
    interval: Interval = Field(examples=["1m"])
    provider: str = Field(examples=["synthetic"])
    is_real: bool = Field(description="false: made up, no market data", examples=[False])


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

    symbol: str = Field(examples=["7203"])
    adjusted: bool = Field(examples=[False])
    action_set: str | None = Field(
        default=None, description="of adjusted bars: changes with the actions, as the header Kaboom-Action-Set"
    )
    actions: list[AppliedAction] | None = Field(default=None, description="of adjusted bars, oldest first")
    total_return: bool = Field(default=False, description="whether dividends adjust the bars too")
    dividends: list[AppliedDividend] | None = Field(
        default=None, description="of a total return: those after the first bar that is asked for, oldest first"
    )
    start: AwareDatetime = Field(examples=["2025-11-03T15:00:00Z"])
    end: AwareDatetime = Field(examples=["2025-11-04T15:00:00Z"])
    items: list[Bar]
    next_cursor: str | None


class PreviousBar(BaseModel):
    """The last bar before a chart."""

    opened_at: AwareDatetime = Field(description=_OPENED, examples=["2025-10-31T00:00:00Z"])
    close: float = Field(examples=[2835.0])


class ChartPage(BaseModel):
    """Bars of one symbol with indicators, oldest first, with `start <= opened_at < end`."""

    symbol: str = Field(examples=["7203"])
    interval: ChartInterval = Field(examples=["1d"])
    provider: str = Field(examples=["synthetic"])
    is_real: bool = Field(description="false: made up, no market data", examples=[False])
    rolled_up_from: Interval | None = Field(
        description="the stored bars that these were made from now; null: bars of this interval are stored"
    )
    adjusted: bool = Field(examples=[False])
    actions: list[AppliedAction] = Field(
        description="that adjusted bars are adjusted by, oldest first; raw bars are not adjusted", examples=[[]]
    )
    start: AwareDatetime = Field(examples=["2025-11-03T15:00:00Z"])
    end: AwareDatetime = Field(examples=["2025-11-04T15:00:00Z"])
    previous: PreviousBar | None = Field(description="null: none is held before `start`")
    columns: list[str] = Field(description="the fields of an item that indicators add", examples=[["sma_25"]])
    items: list[dict[str, Any]] = Field(
        description="bars, each with a number or null for every column",
        examples=[[{"opened_at": "2025-11-04T00:00:00Z", "open": 2841.5, "high": 2849.0, "low": 2838.0,
                    "close": 2847.5, "volume": 184300, "flags": 0, "sma_25": 2833.1}]],
    )  # fmt: skip
    next_cursor: None


class LatestBars(_Series, _Known):
    """The newest bar of every symbol, sorted by symbol."""

    items: list[SymbolBar] = Field(
        examples=[
            [
                {
                    "symbol": "7203",
                    "opened_at": "2025-11-04T06:30:00Z",
                    "open": 2841.5,
                    "high": 2849.0,
                    "low": 2838.0,
                    "close": 2847.5,
                    "volume": 184300,
                    "flags": 0,
                }
            ]
        ]
    )
    next_cursor: None


class Cell(BaseModel):
    """The stored bars of one symbol in one session; without bars there is no cell."""

    symbol: str = Field(examples=["7203"])
    session: date = Field(examples=["2025-11-04"])
    bars: int = Field(examples=[327])
    first_at: AwareDatetime = Field(description="`opened_at` of the first bar", examples=["2025-11-04T00:00:00Z"])
    last_at: AwareDatetime = Field(description="`opened_at` of the last bar", examples=["2025-11-04T06:30:00Z"])
    flagged: int = Field(description="how many bars have any flag", examples=[0])
    flags: int = Field(description="the flags of all bars together", examples=[0])
    is_final: bool | None = Field(
        default=None,
        description="with `finality=true` alone: whether the provider was asked for them late enough after the close"
        " to give what it will leave; null: nobody noted when, and the session is younger than seven days",
    )


class CoveragePage(_Series, _Known):
    """The stored bars, sorted by symbol, then session."""

    first: date = Field(examples=["2025-11-04"])
    last: date = Field(examples=["2025-11-04"])
    items: list[Cell]
    next_cursor: str | None


class RejectedRow(BaseModel):
    """A row as the provider returned it, and the reason of its rejection."""

    session: date | None = Field(
        description="the day of `opened_at` in Japan; null without a time", examples=["2025-11-04"]
    )
    symbol: str = Field(
        description="as the row has it, also where it is no symbol; empty if it had none", examples=["7203"]
    )
    opened_at: AwareDatetime | None = Field(examples=["2025-11-04T09:00:00Z"])
    open: float | None = Field(examples=[3140.0])
    high: float | None = Field(examples=[3142.0])
    low: float | None = Field(examples=[3139.0])
    close: float | None = Field(examples=[3141.0])
    volume: float | None = Field(examples=[52300.0])
    reason: str = Field(
        description="the first hard rule that it broke; docs/reference/quality.md lists them", examples=["off_grid"]
    )
    file: str | None = Field(description="where the provider reads files: the path below its folder; otherwise null")
    line: int | None = Field(description="the line in `file`, or the row of a Parquet file, counted from 1")


class QuarantinePage(_Series):
    """Rejected rows, newest first; those without a time come last."""

    total: int = Field(description="rows of all pages", examples=[1])
    reasons: dict[str, int] = Field(
        description="rows by reason, the most frequent first, without the filter `reason`", examples=[{"off_grid": 1}]
    )
    items: list[RejectedRow]
    next_cursor: str | None


class JudgedSession(BaseModel):
    """How complete one session is, and how many symbols are in each state."""

    session: date = Field(examples=["2025-11-04"])
    verdict: Literal["pending", "degraded", "gaps", "complete"] = Field(examples=["gaps"])
    symbols: int = Field(examples=[1651])
    bars: int = Field(examples=[502113])
    median: float | None = Field(description="bars of a symbol that has any; null if none has", examples=[321.0])
    flagged: int = Field(description="how many bars have any flag", examples=[14])
    quarantined: int = Field(description="how many rows of the day are in quarantine", examples=[0])
    pending: int = Field(examples=[0])
    missing: int = Field(examples=[37])
    empty: int = Field(examples=[113])
    lost: int = Field(examples=[0])
    not_final: int = Field(examples=[0])
    outdated: int = Field(examples=[0])
    short: int = Field(examples=[2])
    no_auction: int = Field(examples=[1])
    differs: int = Field(examples=[0])
    complete: int = Field(examples=[1498])


class StoredSeries(_Series):
    """Stored bars of one provider and interval."""

    symbols: int = Field(description="how many symbols have a bar, indices too", examples=[1651])
    last_at: AwareDatetime = Field(description="`opened_at` of the newest bar", examples=["2025-11-04T06:30:00Z"])


class StoredSeriesPage(BaseModel):
    """The stored series, by provider and interval; one that has rejected rows alone is left out."""

    default_provider: str = Field(description="KABOOM_PROVIDER", examples=["synthetic"])
    items: list[StoredSeries]
    next_cursor: None


class SessionPage(_Series):
    """The newest sessions, newest first."""

    items: list[JudgedSession]
    next_cursor: None


class JudgedCell(BaseModel):
    """The state of a symbol in one session, with the facts behind it."""

    session: date = Field(examples=["2025-11-04"])
    state: CellState = Field(examples=["complete"])
    bars: int = Field(examples=[327])
    expected: float | None = Field(
        description="the median that its bars were compared with; null if it is unknown", examples=[326.5]
    )
    first_at: AwareDatetime | None = Field(
        description="`opened_at` of the first bar", examples=["2025-11-04T00:00:00Z"]
    )
    last_at: AwareDatetime | None = Field(description="`opened_at` of the last bar", examples=["2025-11-04T06:30:00Z"])
    flagged: int = Field(description="how many bars have any flag", examples=[0])
    flags: int = Field(description="the flags of all bars together", examples=[0])
    asked_at: AwareDatetime | None = Field(
        description="when the provider was last asked; null if nobody noted it", examples=["2025-11-04T07:00:12Z"]
    )
    is_final: bool | None = Field(description="as of `/coverage`", examples=[True])


class CellPage(_Series):
    """The cells of one symbol, newest session first."""

    symbol: str = Field(examples=["7203"])
    items: list[JudgedCell]
    next_cursor: None


class ListedSymbol(BaseModel):
    """One listed issue, as in JPX's list, an index, or a symbol that only the user's files name (`FILE`)."""

    symbol: str = Field(examples=["7203"])
    name: str = Field(examples=["トヨタ自動車"])
    name_en: str = Field(
        description="its English name; empty where the list has none: JPX's has none",
        examples=["TOYOTA MOTOR CORPORATION"],
    )
    market: Market = Field(examples=["TSE_PRIME"])
    sector33: str = Field(description="one of the 33 sectors, by JPX's Japanese name", examples=["輸送用機器"])
    sector33_code: str = Field(
        description="its code, four digits; empty for a name that is not one of the 33", examples=["3700"]
    )
    sector33_en: str = Field(description="its English name; empty likewise", examples=["Transportation Equipment"])
    scale: str = Field(examples=["TOPIX Core30"])
    is_topix500: bool = Field(description="whether it has the finer ticks", examples=[True])
    is_listed: bool = Field(description="false: in the list, and known to be gone by the session", examples=[True])
    first_seen: date = Field(description="the date of the first list with it in this market", examples=["2024-03-29"])
    left_by: date | None = Field(description="the date of the first list after without it there, also of a later one")
    moved_to: Market | None = Field(description="the market that it left for")
    renamed_to: str | None = Field(description="the code that the company of this name had from then on")


class _Dated(_Known):
    session: date = Field(examples=["2025-11-04"])
    as_of: date = Field(description="the date of the list: what was listed since is missing", examples=["2024-03-29"])
    source: str = Field(examples=["JPX data_j.xls"])
    items: list[ListedSymbol]


class SymbolPage(_Dated):
    """Listed issues, sorted by symbol."""

    next_cursor: str | None


class UniverseView(_Dated):
    """The symbols of a market as of a session."""

    market: Market = Field(examples=["TSE_PRIME"])
    age_days: int = Field(description="days between the list and the session, either way", examples=[585])
    next_cursor: None


class TradingSession(BaseModel):
    """One session and its hours."""

    session: date = Field(examples=["2025-11-04"])
    opens_at: AwareDatetime = Field(examples=["2025-11-04T00:00:00Z"])
    am_closes_at: AwareDatetime = Field(description="the morning's closing auction", examples=["2025-11-04T02:30:00Z"])
    pm_opens_at: AwareDatetime = Field(examples=["2025-11-04T03:30:00Z"])
    closes_at: AwareDatetime = Field(description="the closing auction", examples=["2025-11-04T06:30:00Z"])
    minutes: int = Field(description="the 1m bars that a symbol can have at most", examples=[327])


class CalendarView(BaseModel):
    """The sessions of the TSE, oldest first."""

    first: date = Field(examples=["2025-11-04"])
    last: date = Field(examples=["2025-11-04"])
    time_zone: Literal["Asia/Tokyo"] = Field(examples=["Asia/Tokyo"])
    items: list[TradingSession]
    next_cursor: None
