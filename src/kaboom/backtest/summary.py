"""The summaries of a backtest and of a sweep, as JSON; importable without numpy."""

import hashlib
import math
from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

#: The names of the files of a backtest, with their media types.
FILES: Mapping[str, str] = {
    "report.html": "text/html; charset=utf-8",
    "report.json": "application/json",
    "equity.csv": "text/csv; charset=utf-8",
    "trades.csv": "text/csv; charset=utf-8",
    "orders.csv": "text/csv; charset=utf-8",
    "trials.csv": "text/csv; charset=utf-8",
    "surface.json": "application/json",
    "summary.json": "application/json",
}


class FileNote(BaseModel):
    """The size of a file, and its SHA-256."""

    size: int = Field(description="bytes")
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Return the note of a file."""
        return cls(size=len(content), sha256=hashlib.sha256(content).hexdigest())


class TestedBars(BaseModel):
    """The tested bars and the code, as a repetition needs them."""

    request: dict[str, Any] = Field(description="what was asked for, with its days; a repetition submits it")
    provider: str
    is_real: bool = Field(description="whether the bars are of a real market")
    interval: str
    symbols: int = Field(description="that have bars")
    missing: int = Field(description="symbols that were asked for and have no bars")
    delisted: int = Field(description="symbols that are not listed any more on the last day")
    first: date
    last: date
    session_count: int
    bars: int = Field(description="times, each of which has one bar for a symbol at most")
    is_pinned: bool = Field(
        default=False,
        description="whether bars were read as of the request's `as_of`, as a repetition reads them; InfluxDB cannot",
    )
    statements: list[str] = Field(
        default=[], description="the columns of statements that the strategy reads, as known before each close"
    )
    fingerprint: str = Field(description="of the bars, splits and listings, and of these statements: SHA-256")
    code_version: str = Field(description="Kaboom's version, and a digest of the source of backtests")
    strategy: str
    strategy_digest: str | None = Field(default=None, description="SHA-256 of a strategy's own file")
    seed: int


class BenchmarkSummary(BaseModel):
    """The benchmark of a run, without any costs."""

    name: str
    note: str | None = Field(default=None, description="why it is not the one that would be meant")
    total_return: float | None
    cagr: float | None
    sharpe: float | None
    max_drawdown: float | None


class NextOrder(BaseModel):
    """An order that waits for the bar after the last."""

    symbol: str
    side: Literal["buy", "sell"]
    shares: float = Field(description="of a target weight: by the last close")
    kind: Literal["market", "limit", "stop"]
    price: float | None = Field(default=None, description="of a limit or a stop, in yen")
    reason: Literal["order", "stop_loss", "take_profit", "margin_call"]
    weight: float | None = Field(default=None, description="the target, as a share of equity")
    held: float = Field(description="shares before it; negative if short")
    last: float = Field(description="the last close, in yen")


class RunSummary(TestedBars):
    """The result of a backtest."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["run"] = "run"
    listed_on: list[date] = Field(description="the dates of the lists that a market's symbols come from")
    parameters: dict[str, Any]
    engine: Literal["numba", "python"] = Field(description="what ran it; both give the same fills")
    is_ruined: bool = Field(description="whether short positions lost more than there was, which ended the run")
    metrics: dict[str, float | None] = Field(description="by name; per year of 244 sessions; docs/how-to/backtest.md")
    benchmark: BenchmarkSummary
    next_session: date | None = Field(default=None, description="the session of the bar after the last")
    next_orders: list[NextOrder] = Field(
        default=[], description="what the strategy would do in it: the first 200; `orders.csv` has all"
    )
    next_order_count: int = 0
    kept_files: dict[str, FileNote]
    digest: str = Field(description="of metrics, equity and trades: the same where a repetition gave the same")


class TestSummary(BaseModel):
    """The result of a choice in the bars after those on which it was made."""

    total_return: float | None
    sharpe: float | None
    max_drawdown: float | None
    sessions: float | None


class Trial(BaseModel):
    """A combination of parameters, in the bars that the trials are ranked on."""

    number: int = Field(description="of the combination")
    parameters: dict[str, Any]
    final_equity: float | None
    total_return: float | None
    sharpe: float | None
    max_drawdown: float | None
    fills: int | None = Field(default=None, description="fills, and flows of cash such as dividends")
    test: TestSummary | None = Field(default=None, description="out of sample")
    neighbours: float | None = Field(
        default=None,
        description="median of what the trials are ranked by, of those that differ by one step of one number; none: no"
        " such trial was run",
    )


class Fold(BaseModel):
    """A step of walking forward: the choice on the bars so far, and its result in the bars after them."""

    chosen_until: date
    tested_until: date
    number: int
    parameters: dict[str, Any]
    sharpe: float | None = Field(description="in the bars that it was chosen on")
    test: TestSummary


class WalkForward(BaseModel):
    """The tests of all folds as one."""

    folds: list[Fold]
    whole: TestSummary


class SweepSummary(TestedBars):
    """The result of a sweep."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["sweep"] = "sweep"
    listed_on: list[date] = Field(description="the dates of the lists that a market's symbols come from")
    trials: int = Field(description="combinations that were run")
    left_out: int = Field(description="combinations whose parameters do not go together")
    lost: int = Field(description="combinations that failed, and are missing in what follows")
    rank_by: str
    chosen_until: date = Field(description="the last session of the bars that the trials are ranked on")
    sharpe_deviation: float | None = Field(description="of the trials' Sharpe ratios for each session")
    deflated_sharpe: float | None = Field(
        description="probability that the best trial's Sharpe ratio is not luck, given the number of trials"
    )
    best: list[Trial]
    walk_forward: WalkForward | None = None
    run: RunSummary = Field(description="of the best trial, on all bars")
    kept_files: dict[str, FileNote]
    digest: str = Field(description="of all trials: the same where a repetition gave the same")


def finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """Return numbers for JSON: infinite numbers and NaN become null."""
    return {name: float(value) if math.isfinite(value) else None for name, value in values.items()}


def digest_of(*parts: bytes) -> str:
    """Return the SHA-256 of some parts."""
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
