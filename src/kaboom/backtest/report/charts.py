"""Lines and areas as inline SVG, and the heat map of monthly returns; pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

import numpy as np

from kaboom.backtest.engine.arrays import Floats, Ints
from kaboom.backtest.report.text import percent, say, section, table

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 960, 56, 8, 8, 22
#: A line has at most two points for each of these steps; more would be invisible, and make the file too large.
_STEPS = 480
#: Returns from which a month has the next stronger tint.
_TINTS = (0.0, 0.015, 0.035)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart: its values, one for each day, and its class."""

    values: Floats
    kind: str = "line"


def line_chart(days: Ints, lines: Sequence[Line], *, height: int = 220, is_area: bool = False, label: str = "") -> str:
    """Return a chart of some lines over days (numbers since 1970-01-01); an area is filled up to 0."""
    values = np.concatenate([line.values for line in lines])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if is_area:
        low, high = min(low, 0.0), max(high, 0.0)
    scale = Scale.of(low, high, height)
    xs = np.linspace(LEFT, WIDTH - RIGHT, max(days.size, 2))[: days.size]
    drawn = "".join(_path(xs, line, scale, is_area=is_area) for line in lines)
    return frame(height, scale.axis() + date_axis(days, xs, height) + drawn, label)


def frame(height: int, body: str, label: str) -> str:
    """Return an SVG of a height around drawn elements."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}" class="chart">'
        f"<title>{escape(label)}</title>{body}</svg>"
    )


@dataclass(frozen=True, slots=True)
class Scale:
    """The vertical scale of a chart."""

    low: float
    high: float
    height: int
    step: float

    @classmethod
    def of(cls, low: float, high: float, height: int) -> "Scale":
        """Return a scale with round steps that holds two values."""
        span = high - low or abs(high) or 1.0
        rough = span / 4
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
        begin = math.floor(low / step) * step
        end = math.ceil(high / step) * step
        return cls(begin, end if end > begin else begin + step, height, step)

    def y(self, value: float) -> float:
        """Return the place of a value, from above."""
        room = self.height - TOP - BOTTOM
        return TOP + room * (self.high - value) / (self.high - self.low)

    def axis(self) -> str:
        """Return the grid with its numbers."""
        digits = max(0, -math.floor(math.log10(self.step) + 1e-9))
        parts = []
        for n in range(round((self.high - self.low) / self.step) + 1):
            value = self.low + n * self.step
            y = self.y(value)
            text = f"{value:,.{digits}f}".replace("-", "\u2212")
            parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
        return "".join(parts)


def date_axis(days: Ints, xs: Floats, height: int) -> str:
    """Return the dates below a chart: at most ten, where a year or a month begins."""
    dates: list[date] = days.astype("datetime64[D]").tolist()
    changes = [n for n in range(1, len(dates)) if dates[n].year != dates[n - 1].year]
    form = "%Y"
    if len(changes) < 3:
        changes = [n for n in range(1, len(dates)) if dates[n].month != dates[n - 1].month]
        form = "%Y-%m"
    if not changes:
        changes, form = [0], "%Y-%m-%d"
    marks = changes[:: math.ceil(len(changes) / 10)]
    return "".join(
        f'<text x="{xs[n]:.1f}" y="{height - 6}" text-anchor="middle">{dates[n].strftime(form)}</text>' for n in marks
    )


def _path(xs: Floats, line: Line, scale: Scale, *, is_area: bool) -> str:
    chosen = _thin(line.values)
    points = [(xs[n], scale.y(float(line.values[n]))) for n in chosen if math.isfinite(line.values[n])]
    if not points:
        return ""
    drawn = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    area = ""
    if is_area:
        zero = scale.y(0.0)
        area = f'<path class="area" d="M{points[0][0]:.1f} {zero:.1f}L{drawn}L{points[-1][0]:.1f} {zero:.1f}Z"/>'
    return f'{area}<path class="{line.kind}" d="M{drawn}"/>'


def _thin(values: Floats) -> list[int]:
    """Return the places to draw: the lowest and the highest value of each step, so that no extreme is lost."""
    if values.size <= 2 * _STEPS:
        return list(range(values.size))
    kept = {0, values.size - 1}
    filled = np.where(np.isfinite(values), values, np.nan)
    for part in np.array_split(np.arange(values.size), _STEPS):
        if not np.isnan(filled[part]).all():
            kept |= {int(part[np.nanargmin(filled[part])]), int(part[np.nanargmax(filled[part])])}
    return sorted(kept)


def monthly_returns(days: Ints, returns: Floats) -> list[tuple[int, list[float | None], float]]:
    """Return each year, newest first, with the returns of its twelve months and of all of it, as shares."""
    found: dict[int, list[float | None]] = {}
    for day, gain in zip(days.astype("datetime64[D]").tolist(), returns, strict=True):
        months = found.setdefault(day.year, [None] * 12)
        months[day.month - 1] = (1.0 + (months[day.month - 1] or 0.0)) * (1.0 + float(gain)) - 1.0
    return [(year, found[year], _whole(found[year])) for year in sorted(found, reverse=True)]


def month_section(days: Ints, returns: Floats) -> str:
    """Return the heat map of returns by session, `days` numbered since 1970-01-01."""
    head = [(say("Year"), False), *((str(month), True) for month in range(1, 13)), (say("Total"), True)]
    rows = [
        f"<tr><th>{year}</th>{''.join(map(_cell, months))}{_cell(total)}</tr>"
        for year, months, total in monthly_returns(days, returns)
    ]
    shown = table(head, rows).replace("<table", '<table class="months"', 1)
    return section(say("Monthly returns"), shown, sub=say("%, of the strategy"))


def _whole(months: list[float | None]) -> float:
    return float(np.prod([1.0 + gain for gain in months if gain is not None])) - 1.0


def _cell(gain: float | None) -> str:
    if gain is None:
        return "<td></td>"
    level = sum(abs(gain) > least for least in _TINTS)
    return f'<td class="num {"p" if gain >= 0 else "n"}{level}">{percent(gain)}</td>'
