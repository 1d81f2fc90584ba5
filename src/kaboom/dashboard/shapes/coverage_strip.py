"""The coverage of a symbol as one strip: runs of sessions in the same state; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive sessions in one state: their left edge and width in percent."""

    state: str
    first: str
    last: str
    count: int
    x: float
    width: float


def build_strip(cells: Sequence[Mapping[str, Any]]) -> list[Run]:
    """Return the runs of cells of the API, which come newest first; the strip has the oldest first."""
    runs, place = list[Run](), 0
    for state, found in groupby(reversed(cells), key=lambda cell: str(cell["state"])):
        days = [str(cell["session"]) for cell in found]
        x, width = 100 * place / len(cells), 100 * len(days) / len(cells)
        runs.append(Run(state, days[0], days[-1], len(days), round(x, 3), round(width, 3)))
        place += len(days)
    return runs
