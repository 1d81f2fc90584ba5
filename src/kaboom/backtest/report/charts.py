"""The curves of a report and of a comparison as SVG, for the page and for the HTML file; pure.

The width is stretched, so only paths are in a box of their own; texts and heights are in pixels.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

from kaboom.backtest.report.comparison import Comparison, measure_drawdown
from kaboom.backtest.report.content import ReportContent
from kaboom.backtest.report.text import Words, number, percent, short_parameters, signed_percent

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
    area = "" if zero is None else _close(curves[0].path, zero)
    return Plot(curves, area, _ticks((low, high), step, y), zero)


def build_times(dates: Sequence[date]) -> list[TimeMark]:
    """Return the dates below a plot: the beginnings of years; of months if few years begin; days if one month does."""
    changes = [n for n in range(1, len(dates)) if dates[n].year != dates[n - 1].year]
    form = "%Y"
    if len(changes) < 3:
        changes, form = [n for n in range(1, len(dates)) if dates[n].month != dates[n - 1].month], "%Y-%m"
    edges, edge = (dates[0].strftime(form), dates[-1].strftime("%Y-%m")), 19
    if len(changes) < 2:
        changes, form, edges, edge = list(range(1, len(dates) - 1)), "%m-%d", (f"{dates[0]}", f"{dates[-1]}"), 26
    chosen = changes[:: max(1, math.ceil(len(changes) / _MOST_TIMES))]
    last = max(1, len(dates) - 1)
    marks = [TimeMark(round(100 * n / last, 2), dates[n].strftime(form), "middle") for n in chosen]
    # The first and the last day are at the edges.
    inner = [mark for mark in marks if edge <= mark.x <= 99 - edge and mark.label not in edges]
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


def _close(path: str, zero: float) -> str:
    """Return a path with each of its parts closed along 0: a part ends where the line has a gap."""
    parts = [part for part in path.split("M") if part]
    ends = [(part.split(" ")[0], part.rpartition("L")[2].split(" ")[0]) for part in parts]
    return "".join(
        f"M{part}L{last} {zero:g}L{first} {zero:g}Z" for part, (first, last) in zip(parts, ends, strict=True)
    )


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
_HEIGHT, _SMALL_HEIGHT, _COMPARED_HEIGHT = 360, 140, 420
_EQUITY, _DRAWDOWN = Room(18, 228), Room(262, 328, with_zero=True)
_COMPARED, _COMPARED_DRAWDOWN = Room(14, 288), Room(322, 388, with_zero=True)
_NAME_PX, _NAMES_WIDTH = 34, 176
_MOST_LETTERS, _MOST_IN_NAME = 16, 24


def draw_equity(content: ReportContent, name: str, words: Words) -> str:
    """Return the equity and the drawdown of a strategy, called `name`, and of its benchmark; "" without values."""
    curves, summary = content.curves, content.summary
    equity = build_plot([_scaled(values, 1e-6) for values in (curves.equity, curves.benchmark)], _EQUITY)
    drawdown = build_plot([_scaled(values, 100) for values in (curves.drawdown, curves.benchmark_drawdown)], _DRAWDOWN)
    if equity is None or drawdown is None:
        return ""
    gain, other = signed_percent(summary.metrics["total_return"]), signed_percent(summary.benchmark.total_return)
    label = words.tell(
        "Equity from {first} to {last}: the strategy made {gain}, the benchmark {other}; the deepest drawdown was {worst}",  # noqa: E501
        first=summary.first, last=summary.last, gain=gain, other=other,
        worst=percent(summary.metrics["max_drawdown"]),
    )  # fmt: skip
    lines = (
        _line("ln ln-2", equity.curves[1].path), _line("ln", equity.curves[0].path),
        _line("ln ln-2 ln-dash", drawdown.curves[1].path), _line("ar", drawdown.area),
        _line("ln", drawdown.curves[0].path),
    )  # fmt: skip
    top, zero = equity.ticks[-1:], drawdown.zero
    body = [
        draw_grid(equity), draw_grid(drawdown), draw_paths(_HEIGHT, *lines), _values(equity.ticks[:-1]),
        *(_value(tick, words.say("{value} million yen", value=tick.label)) for tick in top),
        *(_value(tick, words.say("drawdown") if tick.y == zero else f"{tick.label}%") for tick in drawdown.ticks),
        _worst(curves.drawdown, drawdown, words), _times(curves.days, _HEIGHT - 6),
    ]  # fmt: skip
    ours, theirs = spread([curve.end_y for curve in equity.curves], _NAME_PX)
    names = list[str]()
    if ours is not None:
        shown = f"{name} {_cut(short_parameters(summary.strategy, summary.parameters))}"
        result = f"{words.say('{value} yen', value=number(summary.metrics['final_equity']))} {gain}"
        names += [draw_text("a", 8, ours, escape(shown)), draw_text("a", 8, ours + 14, result)]
        # A phone has no room for names.
        phone = max(12.0, (equity.curves[0].end_y or 0) - 8)
        body.append(draw_text("a halo only-phone", "100%", phone, gain, "end"))
    if theirs is not None:
        about = words.say("benchmark {name}", name=_cut(summary.benchmark.name))
        names += [draw_text("lab", 8, theirs, about), draw_text("lab", 8, theirs + 14, other)]
    return draw_figure("chart ends", _HEIGHT, "".join(body), label, draw_side("names", _NAMES_WIDTH, _HEIGHT, names))


def draw_curve(days: Sequence[date], values: Values, label: str, *, with_zero: bool = False) -> str:
    """Return one small curve, filled up to 0 if 0 is in the plot; "" if no value is known."""
    plot = build_plot([values], Room(16, _SMALL_HEIGHT - 26, with_zero=with_zero))
    if plot is None:
        return ""
    lines = (_line("ar", plot.area), _line("ln thin", plot.curves[0].path))
    body = draw_grid(plot) + draw_paths(_SMALL_HEIGHT, *lines) + _values(plot.ticks) + _times(days, _SMALL_HEIGHT - 4)
    return draw_figure("chart", _SMALL_HEIGHT, body, label)


def draw_comparison(compared: Comparison, names: Sequence[str], words: Words) -> str:
    """Return the equity of several named runs, 100 at the start, and the drawdown; "" without a common session."""
    curves = [each.curve for each in compared.items]
    equity = build_plot(curves, _COMPARED) if compared.days else None
    drawdown = build_plot([_scaled(measure_drawdown(curve), 100) for curve in curves], _COMPARED_DRAWDOWN)
    if equity is None or drawdown is None:
        return ""
    label = words.tell(
        "Equity of {n} runs from {first} to {last}, 100 at the start",
        n=len(compared.items), first=compared.days[0], last=compared.days[-1],
    )  # fmt: skip
    # The first run is drawn last, above the others.
    lines = [_line(f"ln l{n}", curve.path) for plot in (drawdown, equity) for n, curve in enumerate(plot.curves)][::-1]
    body = draw_grid(equity) + draw_grid(drawdown) + draw_paths(_COMPARED_HEIGHT, *lines) + _values(equity.ticks)
    body += "".join(
        _value(tick, words.say("drawdown") if tick.y == drawdown.zero else f"{tick.label}%") for tick in drawdown.ticks
    )
    body += _times(compared.days, _COMPARED_HEIGHT - 6)
    texts = list[str]()
    for n, y in enumerate(spread([curve.end_y for curve in equity.curves], _NAME_PX)):
        if y is not None:
            gain = signed_percent(compared.items[n].metrics["total_return"])
            texts.append(f'<line class="ln l{n}" x1="6" x2="20" y1="{y:g}" y2="{y:g}"/>')
            texts.append(draw_text("lab", 26, y + 4, escape(_cut(names[n], _MOST_IN_NAME))))
            texts.append(draw_text("lab", 26, y + 18, gain))
    side = draw_side("names", _NAMES_WIDTH, _COMPARED_HEIGHT, texts)
    return draw_figure("chart ends", _COMPARED_HEIGHT, body, label, side)


def draw_figure(kind: str, height: int, body: str, label: str, side: str = "") -> str:
    """Return a figure of a height in pixels around drawn elements, with a drawing at its right."""
    drawing = f'<svg height="{height}" role="img" aria-label="{escape(label)}">{body}</svg>'
    return f'<figure class="{kind}">{drawing}{side}</figure>'


def draw_side(kind: str, width: int, height: int, texts: Sequence[str]) -> str:
    """Return the drawing at the right of a chart, whose width is not stretched."""
    return f'<svg class="{kind}" width="{width}" height="{height}" aria-hidden="true">{"".join(texts)}</svg>'


def draw_paths(height: int, *paths: str) -> str:
    """Return paths in a box that is stretched to the width of the chart."""
    box = f'width="100%" height="{height}" viewBox="0 0 {WIDTH} {height}" preserveAspectRatio="none"'
    return f'<svg x="0" y="0" {box}>{"".join(paths)}</svg>'


def draw_grid(plot: Plot) -> str:
    """Return the lines of the grid."""
    return "".join(
        f'<line class="{"ax" if tick.y == plot.zero else "g"}" x1="0" x2="100%" y1="{tick.y:g}" y2="{tick.y:g}"/>'
        for tick in plot.ticks
    )


def draw_text(kind: str, x: float | str, y: float, text: str, anchor: str = "") -> str:
    """Return markup as a text; `x` is in pixels, or a percentage."""
    named, placed = f' class="{kind}"' if kind else "", f' text-anchor="{anchor}"' if anchor else ""
    return f'<text{named} x="{x}" y="{y:g}"{placed}>{text}</text>'


def _line(kind: str, path: str) -> str:
    return f'<path class="{kind}" d="{path}"/>' if path else ""


def _value(tick: Tick, text: str) -> str:
    return draw_text("halo", 0, tick.y - 4, text)


def _values(ticks: Sequence[Tick]) -> str:
    return "".join(_value(tick, tick.label) for tick in ticks)


def _times(days: Sequence[date], y: float) -> str:
    return "".join(draw_text("", f"{mark.x:g}%", y, mark.label, mark.anchor) for mark in build_times(days))


def _worst(drawdown: Values, plot: Plot, words: Words) -> str:
    """Return a mark at the deepest drawdown; "" if there is none."""
    known = [(value, n) for n, value in enumerate(drawdown) if value is not None]
    if not known or min(known)[0] == 0:
        return ""
    value, place = min(known)
    # Thinning never removes the lowest point of a curve.
    y = max(float(point.split(" ")[1]) for point in plot.curves[0].path.replace("M", "L").split("L") if point)
    x = round(100 * place / max(1, len(drawdown) - 1), 2)
    dx, anchor = (-8, "end") if x > 70 else (8, "start")
    text = words.say("max {value}", value=percent(value))
    shown = f'<text class="a halo" x="{x:g}%" dx="{dx}" y="{y + 12:g}" text-anchor="{anchor}">{text}</text>'
    return f'<circle class="f-run" cx="{x:g}%" cy="{y:g}" r="3"/>{shown}'


def _scaled(values: Values, factor: float) -> Values:
    return [None if value is None else value * factor for value in values]


def _cut(text: str, most: int = _MOST_LETTERS) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
