"""The options of a backtest, and what it found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict

from kaboom.client.jobs import Job
from kaboom.client.source import IntervalName, When
from kaboom.client.wire import Wire

if TYPE_CHECKING:
    import polars as pl


_SHOWN = ("total_return", "sharpe", "max_drawdown", "trades")
_RESULTS = "/api/v1/backtest/results"


@dataclass(frozen=True, slots=True, repr=False)
class Backtest:
    """The result of a backtest: past bars, which promise nothing of later ones.

    Attributes:
        summary: all of it, as the API gave it.

    """

    wire: Wire = field(repr=False)
    job: Job
    summary: Mapping[str, Any] = field(repr=False)

    @classmethod
    def load(cls, wire: Wire, job: Job) -> Self:
        """Return what a job found.

        Raises:
            NotFound: it found nothing, or was deleted.

        """
        return cls(wire, job, wire.call("GET", f"{_RESULTS}/{job.id}"))

    @property
    def metrics(self) -> Mapping[str, Any]:
        """The metrics by name; shares, not per cent."""
        metrics: Mapping[str, Any] = self.summary["metrics"]
        return metrics

    def __repr__(self) -> str:
        """Return what was run, its main metrics, and the costs that it assumed."""
        from kaboom.backtest.report.conventions import describe_costs  # noqa: PLC0415  an import of kaboom does without

        made = self.summary
        shown = {name: metric for name in _SHOWN if (metric := self.metrics.get(name)) is not None}
        numbers = ", ".join(f"{name} {metric:.4g}" for name, metric in shown.items())
        costs = describe_costs(made["request"])[0]
        return f"<Backtest {made['strategy']}, {made['first']} to {made['last']}: {numbers}. {costs}>"

    def equity(self) -> "pl.DataFrame":
        """Return the curve of the equity."""
        return self._csv("equity.csv")

    def trades(self) -> "pl.DataFrame":
        """Return the fills."""
        return self._csv("trades.csv")

    def signals(self) -> "pl.DataFrame":
        """Return the orders that wait after the last bar: what the strategy does in the session `next_session`.

        One row for each: symbol, side, shares, kind, price (yen), reason, weight, held and last (the close, yen).
        """
        return self._csv("orders.csv")

    @property
    def next_session(self) -> "date | None":
        """The session of the bar after the last; None for bars that are not of the TSE."""
        day = self.summary.get("next_session")
        return date.fromisoformat(day) if day else None

    def save_report(self, path: str | Path) -> Path:
        """Write the report, an HTML page, and return its path.

        Raises:
            OSError: it cannot be written.

        """
        target = Path(path)
        target.write_bytes(self.wire.ask("GET", f"{_RESULTS}/{self.job.id}/report.html").content)
        return target

    def _csv(self, name: str) -> "pl.DataFrame":
        import polars as pl  # noqa: PLC0415  0.1 s that an import of kaboom does without

        content = self.wire.ask("GET", f"{_RESULTS}/{self.job.id}/{name}").content
        return pl.read_csv(content, try_parse_dates=True, schema_overrides={"symbol": pl.String})


class FeeOptions(TypedDict, total=False):
    """The fee of a fill: `rate` of its value plus `fixed`, within `least` and `most`; or `steps` of value and fee.

    Or `table`: the fees of a broker, such as `matsui-box`.
    """

    rate: float
    fixed: float
    least: float
    most: float | None
    steps: Sequence[tuple[float, float]]
    table: str | None


class SlippageOptions(TypedDict, total=False):
    """How much worse than its price an order is filled: a share of the price, ticks, and by its part of the volume."""

    rate: float
    ticks: int
    impact: float


class FillOptions(TypedDict, total=False):
    """How orders are filled; docs/explanation/backtests.md states every convention."""

    lot: int
    has_ticks: bool | None
    has_limits: bool | None
    volume_cap: float
    rest: Literal["carry", "cancel"]
    size_at: Literal["decision", "fill"]
    fills_on_touch: bool
    allows_short: bool
    borrow_rate: float
    maintenance: float
    fees: FeeOptions
    tax_rate: float
    slippage: SlippageOptions


class BacktestOptions(TypedDict, total=False):
    """On which bars a strategy runs, with which cash, and how its orders are filled.

    Attributes:
        parameters: of the strategy; by default its own.
        provider: whose bars.
        market: all symbols of this section that have bars, in place of symbols.
        sessions: how many sessions, unless `first` is given.
        first: the first day.
        last: the last session; by default the newest that has closed.
        benchmark: a symbol to compare with, or `topix`.
        cash: yen before the first bar.
        model: how orders are filled.
        as_of: bars, splits and lists as they were known at this moment.
        seed: of what is drawn at random.

    """

    parameters: Mapping[str, bool | float | str | None]
    interval: IntervalName
    provider: str | None
    market: str | None
    sessions: int
    first: date | str | None
    last: date | str | None
    benchmark: str | None
    cash: float
    model: FillOptions
    as_of: When | None
    seed: int
