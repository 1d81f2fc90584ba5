"""Bars over time, as positions of an SVG whose width is in percent and whose height is in pixels; pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: Pixels above the highest bar, for its number.
TOP = 18
_LEAST_PX = 1.5


@dataclass(frozen=True, slots=True)
class Column:
    """One bar: its left edge and width in percent, its upper edge and height in pixels."""

    x: float
    width: float
    y: float
    height: float
    value: int

    @property
    def middle(self) -> float:
        """The middle of the bar, in percent."""
        return round(self.x + self.width / 2, 3)


@dataclass(frozen=True, slots=True)
class Columns:
    """Bars that stand on zero, oldest first.

    Attributes:
        columns: all bars; a bar of 0 has no height.
        base: the zero line, in pixels from the top.
        top: the value of the upper line: a round number that no bar exceeds.
        peak: the index of the highest bar; None if all are 0.

    """

    columns: Sequence[Column]
    base: int
    top: int
    peak: int | None

    @property
    def last(self) -> Column:
        """The newest bar."""
        return self.columns[-1]


def build_columns(values: Sequence[int], *, height: int, share: float = 0.8) -> Columns | None:
    """Return the bars of some values, each as wide as a share of its step; None without values."""
    if not values:
        return None
    base, top, step = height, _round_up(max(values)), 100 / len(values)
    width = step * share
    columns = []
    for place, value in enumerate(values):
        tall = max(_LEAST_PX, value / top * (base - TOP)) if value else 0.0
        x = place * step + (step - width) / 2
        columns.append(Column(round(x, 3), round(width, 3), round(base - tall, 1), round(tall, 1), value))
    peak = max(range(len(values)), key=values.__getitem__)
    return Columns(columns, base, top, peak if values[peak] else None)


def _round_up(value: int) -> int:
    """Return the next number of the form 1, 2 or 5 times a power of ten; 1 for 0."""
    if value <= 1:
        return 1
    power = 10 ** math.floor(math.log10(value))
    return next(int(factor * power) for factor in (1, 2, 5, 10) if factor * power >= value)
