"""What a backtest found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from kaboom.client.jobs import Job
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
        from kaboom.backtest.report.costs import describe_costs  # noqa: PLC0415  an import of kaboom does without

        made = self.summary
        shown = {name: metric for name in _SHOWN if (metric := self.metrics.get(name)) is not None}
        numbers = ", ".join(f"{name} {metric:.4g}" for name, metric in shown.items())
        costs = describe_costs(made["request"].get("model", {}))[0]
        return f"<Backtest {made['strategy']}, {made['first']} to {made['last']}: {numbers}. {costs}>"

    def equity(self) -> "pl.DataFrame":
        """Return the curve of the equity."""
        return self._csv("equity.csv")

    def trades(self) -> "pl.DataFrame":
        """Return the fills."""
        return self._csv("trades.csv")

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
