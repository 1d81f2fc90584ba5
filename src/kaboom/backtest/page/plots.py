"""The plots of a report and of a comparison, as paths of an SVG of stretched width and a height in pixels; pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

#: The width of a path; the page stretches it.
WIDTH = 1000
#: A line has at most two points for each of this many steps: more would not be visible.
_STEPS = 300
_MOST_TIMES = 7

type Values = Sequence[float | None]
#: Returns the pixels from the top for a value.
type Scale = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid: its pixels from the top, and its number."""

    y: float
    label: str


@dataclass(frozen=True, slots=True)
class TimeMark:
    """A date below a plot: its place in percent, and the anchor of its text."""

    x: float
    label: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A line: its path, and the height of its end; None if it has no value."""

    path: str
    end_y: float | None


@dataclass(frozen=True, slots=True)
class Plot:
    """Curves with their grid.

    Attributes:
        curves: in the order of the values that were given.
        area: the path of the first curve, filled up to 0.
        ticks: from the bottom.
        zero: the pixels of 0 from the top; None if 0 is not in the plot.

    """

    curves: Sequence[Curve]
    area: str
    ticks: Sequence[Tick]
    zero: float | None


@dataclass(frozen=True, slots=True)
class Room:
    """The part of a drawing for a plot, in pixels from the top; `with_zero` includes 0 in the scale."""

    top: float
    bottom: float
    with_zero: bool = False


def build_plot(lines: Sequence[Values], room: Room) -> Plot | None:
    """Return lines of equal length as curves on one scale; None if no value is known."""
    known = [value for line in lines for value in line if value is not None]
    if not known:
        return None
    low, high = min(known), max(known)
    if room.with_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    step = _step(high - low or abs(high) or 1.0, (room.bottom - room.top) / 32)
    low, high = (low, high) if high > low else (low - step, high + step)

    def y(value: float) -> float:
        return round(room.top + (high - value) / (high - low) * (room.bottom - room.top), 1)

    curves = [_curve(line, y) for line in lines]
    zero = y(0.0) if low <= 0 <= high else None
    first = _points(lines[0], y)
    closed = f"L{first[-1][1]:g} {zero:g}L{first[0][1]:g} {zero:g}Z" if first and zero is not None else ""
    return Plot(curves, curves[0].path + closed if closed else "", _ticks((low, high), step, y), zero)


def build_times(days: Sequence[str]) -> list[TimeMark]:
    """Return the dates below a plot: the beginnings of years, or of months if fewer than two years begin."""
    dates = [date.fromisoformat(day) for day in days]
    changes = [n for n in range(1, len(dates)) if dates[n].year != dates[n - 1].year]
    form = "%Y"
    if len(changes) < 2:
        changes, form = [n for n in range(1, len(dates)) if dates[n].month != dates[n - 1].month], "%Y-%m"
    chosen = changes[:: max(1, math.ceil(len(changes) / _MOST_TIMES))]
    last = max(1, len(dates) - 1)
    marks = [TimeMark(round(100 * n / last, 2), dates[n].strftime(form), "middle") for n in chosen]
    # The first and the last day are at the edges.
    edges = (dates[0].strftime(form), dates[-1].strftime("%Y-%m"))
    inner = [mark for mark in marks if 19 <= mark.x <= 80 and mark.label not in edges]
    return [TimeMark(0.0, edges[0], "start"), *inner, TimeMark(100.0, edges[1], "end")]


def spread(places: Sequence[float | None], least: float) -> list[float | None]:
    """Return places of labels, moved down so that no two are nearer than `least` pixels; None stays."""
    found: list[float | None] = list(places)
    before = -math.inf
    for n in sorted((n for n, place in enumerate(places) if place is not None), key=lambda n: places[n] or 0.0):
        before = max(before + least, places[n] or 0.0)
        found[n] = round(before, 1)
    return found


def _curve(line: Values, y: Scale) -> Curve:
    path, before = list[str](), -1
    for n, x, height in _points(line, y):
        has_gap = before < 0 or any(value is None for value in line[before:n])
        path.append(f"{'M' if has_gap else 'L'}{x:g} {height:g}")
        before = n
    return Curve("".join(path), _points(line, y)[-1][2] if path else None)


def _points(line: Values, y: Scale) -> list[tuple[int, float, float]]:
    """Return the points to draw: their indices and positions."""
    step = WIDTH / max(1, len(line) - 1)
    return [(n, round(n * step, 1), y(value)) for n in _thin(line) if (value := line[n]) is not None]


def _thin(line: Values) -> list[int]:
    """Return the indices to draw: the lowest and the highest value of each step, so that no extreme is lost."""
    known = [n for n, value in enumerate(line) if value is not None]
    if len(known) <= 2 * _STEPS:
        return known
    size = math.ceil(len(known) / _STEPS)
    kept = {known[0], known[-1]}
    for start in range(0, len(known), size):
        part = known[start : start + size]
        kept |= {min(part, key=lambda n: line[n] or 0.0), max(part, key=lambda n: line[n] or 0.0)}
    return sorted(kept)


def _step(span: float, count: float) -> float:
    rough = span / max(1.0, count)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)


def _ticks(bounds: tuple[float, float], step: float, y: Scale) -> list[Tick]:
    low, high = bounds
    digits = max(0, (1 if f"{step:.1e}".startswith("2.5") else 0) - math.floor(math.log10(step) + 1e-9))
    first = math.ceil(low / step - 1e-9)
    values = [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]
    return [Tick(y(value), f"{value:,.{digits}f}".replace("-", "\N{MINUS SIGN}")) for value in values]


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
