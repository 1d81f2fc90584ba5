"""The content of a report, as JSON: curves by session, months, candles with trades, costs; importable without numpy."""

from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from kaboom.backtest.summary import RunSummary

type Numbers = list[float | None]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Sides(_Part):
    """A text in both languages."""

    en: str
    ja: str


class ReportCurves(_Part):
    """One value for each session, at its last close."""

    days: list[date]
    equity: Numbers = Field(description="yen")
    benchmark: Numbers = Field(description="what the benchmark made of the same cash, yen")
    drawdown: Numbers = Field(description="distance from the highest equity so far, as a share: 0 or less")
    benchmark_drawdown: Numbers
    exposure: Numbers = Field(description="value of all positions as a share of equity")
    rolling_sharpe: Numbers = Field(description="of the last `rolling_sessions`, a year; null before there are so many")
    rolling_volatility: Numbers
    rolling_sessions: int


class ReportYear(_Part):
    """The returns of a year as shares: of its months (null if there is none), and of the whole year."""

    year: int
    months: Numbers = Field(min_length=12, max_length=12)
    total: float


class ReportTrade(_Part):
    """An entry with its exit, which is null if the position is still held; the gain is then at the last close."""

    symbol: str
    side: int = Field(description="1 for long, -1 for short")
    shares: float
    entry_at: str = Field(description="of the bar, UTC")
    entry_price: float
    exit_at: str | None
    exit_price: float | None
    exit_reason: str | None
    sessions: int = Field(description="from the entry to the exit, or to the last bar")
    fees: float
    pnl: float | None = Field(description="yen, with all fees taken off")
    gain: float | None = Field(description="as a share of the entry's value")


class TradeCounts(_Part):
    """How many trades there are, and how they ended."""

    count: int
    won: int
    lost: int
    open: int
    mean_gain: float | None = Field(description="of those that are closed")


class TradeLine(_Part):
    """A trade on the candles: places are numbers of bars, null if the place is outside of them."""

    entry: int | None
    entry_price: float
    exit: int | None
    exit_price: float | None
    side: int
    gain: float | None


class ReportCandlesticks(_Part):
    """The last bars of the symbol that was traded most, as traded."""

    symbol: str
    times: list[str] = Field(description="when each bar opened, UTC")
    bars: list[tuple[float, float, float, float] | None] = Field(description="open, high, low, close")
    fills: list[tuple[int, int]] = Field(description="place of a bar, and 1 for a purchase or -1 for a sale")
    trades: list[TradeLine]


class ReportSector(_Part):
    """The exposure to a sector: the value of its positions, long and short, as a share of equity."""

    name: Sides
    symbols: int = Field(description="that were held")
    mean: float
    most: float


class ReportCosts(_Part):
    """The costs of trading, in yen."""

    fees: float
    fees_a_year: float | None = Field(description="as a share of the mean equity")
    flows: float = Field(description="dividends, borrow costs and fractions of shares")
    taxes: float = Field(default=0.0, description="withheld, less what was paid back")
    turnover: float | None


class ReportContent(_Part):
    """A report of a run."""

    summary: RunSummary
    benchmark_metrics: dict[str, float | None] = Field(description="as those of the run, where a benchmark has them")
    longest_below_peak: int = Field(description="sessions")
    curves: ReportCurves
    years: list[ReportYear]
    candles: ReportCandlesticks | None = Field(description="null where nothing was traded")
    counts: TradeCounts
    trades: list[ReportTrade] = Field(description="the last 50, newest first; `trades.csv` has all")
    costs: ReportCosts
    sectors: list[ReportSector] = Field(default_factory=list, description="of the 33 of JPX, the largest mean first")
    conventions: list[Sides]
    disclaimer: Sides
