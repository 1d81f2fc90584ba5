"""Equity over sessions, as a line of an SVG of 1,000 by 100 units that is stretched to its place; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

_WIDTH, _HEIGHT = 1000, 100


@dataclass(frozen=True, slots=True)
class EquityLine:
    """A line, with gaps where the equity is unknown.

    Attributes:
        path: the `d` of an SVG path.
        low, high: the lowest and the highest equity, in yen as decimal text.
        first, last: the first and the last day with a known equity.

    """

    path: str
    low: str
    high: str
    first: str
    last: str


def build_line(days: Sequence[Mapping[str, Any]]) -> EquityLine | None:
    """Return the line of the days of an equity history; None if fewer than two days are known."""
    known = [(n, day["day"], Decimal(day["equity"])) for n, day in enumerate(days) if day["equity"] is not None]
    if len(known) < 2:
        return None
    low, high = (choose(equity for *_, equity in known) for choose in (min, max))
    span, step, parts, before = (high - low) or Decimal(1), Decimal(_WIDTH) / (len(days) - 1), list[str](), -2
    for n, _, equity in known:
        y = _HEIGHT - (equity - low) / span * _HEIGHT
        parts.append(f"{'L' if n == before + 1 else 'M'}{n * step:.1f} {y:.1f}")
        before = n
    return EquityLine("".join(parts), f"{low:f}", f"{high:f}", known[0][1], known[-1][1])
