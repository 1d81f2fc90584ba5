"""The plots of a report, and the plot of runs side by side; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kaboom.backtest.page.plots import (
    Plot,
    Room,
    TimeMark,
    Values,
    build_plot,
    build_times,
    spread,
)

#: Heights of drawings in pixels, with the space above and below their plots.
SMALL_HEIGHT, COMPARED_HEIGHT = 140, 320
_EQUITY, _DRAWDOWN = Room(18, 228), Room(262, 328, with_zero=True)
_SMALL, _SMALL_ZERO = Room(16, SMALL_HEIGHT - 26), Room(16, SMALL_HEIGHT - 26, with_zero=True)
_COMPARED = Room(14, COMPARED_HEIGHT - 28)
_LABEL_PX = 34


@dataclass(frozen=True, slots=True)
class Worst:
    """The deepest drawdown: its place in percent and pixels, and its depth as a share."""

    x: float
    y: float
    value: float


@dataclass(frozen=True, slots=True)
class ReportPlots:
    """The plots of a report; `ends` has the places of the names of strategy and benchmark."""

    equity: Plot | None
    drawdown: Plot | None
    exposure: Plot | None
    sharpe: Plot | None
    times: Sequence[TimeMark]
    ends: Sequence[float | None]
    worst: Worst | None
    months: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ComparedPlot:
    """The equity of several runs, which begins at 100; `ends` has the places of their names."""

    plot: Plot
    times: Sequence[TimeMark]
    ends: Sequence[float | None]


def build_report_plots(curves: Mapping[str, Any]) -> ReportPlots:
    """Return the plots of the curves of a report of the API."""
    days: Sequence[str] = curves["days"]
    equity = build_plot([_scaled(curves[name], 1e-6) for name in ("equity", "benchmark")], _EQUITY)
    drawdown = build_plot([_scaled(curves[name], 100) for name in ("drawdown", "benchmark_drawdown")], _DRAWDOWN)
    return ReportPlots(
        equity=equity,
        drawdown=drawdown,
        exposure=build_plot([_scaled(curves["exposure"], 100)], _SMALL_ZERO),
        sharpe=build_plot([curves["rolling_sharpe"]], _SMALL),
        times=build_times(days),
        ends=spread([curve.end_y for curve in equity.curves], _LABEL_PX) if equity else [],
        worst=_worst(curves["drawdown"], drawdown),
        months=_month_ends(curves),
    )


def build_comparison(found: Mapping[str, Any]) -> ComparedPlot | None:
    """Return the curves of a comparison of the API; None if the runs have no session in common."""
    plot = build_plot([each["curve"] for each in found["items"]], _COMPARED) if found["days"] else None
    if plot is None:
        return None
    return ComparedPlot(plot, build_times(found["days"]), spread([each.end_y for each in plot.curves], 18))


def _worst(drawdown: Values, plot: Plot | None) -> Worst | None:
    known = [(value, n) for n, value in enumerate(drawdown) if value is not None]
    if not known or plot is None or min(known)[0] == 0:
        return None
    value, place = min(known)
    # Thinning never removes the lowest point of a curve.
    heights = [float(point.split(" ")[1]) for point in plot.curves[0].path.replace("M", "L").split("L") if point]
    return Worst(round(100 * place / max(1, len(drawdown) - 1), 2), max(heights), value)


def _scaled(values: Values, factor: float) -> Values:
    return [None if value is None else value * factor for value in values]


def _month_ends(curves: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the last session of each month, newest first, for the table beside the drawing."""
    days = curves["days"]
    last = [n for n in range(len(days)) if n + 1 == len(days) or days[n][:7] != days[n + 1][:7]]
    names = ("equity", "benchmark", "drawdown", "exposure")
    return [{"day": days[n]} | {name: curves[name][n] for name in names} for n in reversed(last)]
