"""The surface of a sweep: for the canvas that draws it, and as a table if it is small; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: A surface with more cells is only drawn on the canvas.
_MOST_CELLS = 400


@dataclass(frozen=True, slots=True)
class SurfaceTable:
    """The first surface of a sweep as rows, the highest value of the second parameter first.

    Attributes:
        x, y: the names of the parameters; `y` is "" if there is only one.
        x_values: the values of `x`, one for each column.
        rows: for each row the value of `y`, and the cells; None for a cell without a trial.
        names: all pairs of parameters that have a surface.
        left_out: the pairs whose surface is too large.

    """

    x: str
    y: str
    x_values: Sequence[Any]
    rows: Sequence[tuple[Any, Sequence[Any]]]
    names: Sequence[tuple[str, str]]
    left_out: Sequence[Sequence[str]]


def build_surface(found: Mapping[str, Any] | None) -> SurfaceTable | None:
    """Return the surface of a sweep of the API; None if it has no surface."""
    if not found or not (found["surfaces"] or found["left_out"]):
        return None
    names = [(each["x"], each["y"] or "") for each in found["surfaces"]]
    if not names:
        return SurfaceTable("", "", (), (), (), found["left_out"])
    first = found["surfaces"][0]
    size, cells = len(first["x_values"]), first["cells"]
    heads = first["y_values"] or [""]
    rows = [(head, cells[n * size : (n + 1) * size]) for n, head in enumerate(heads)]
    shown = rows[::-1] if len(cells) <= _MOST_CELLS else []
    return SurfaceTable(*names[0], first["x_values"], shown, names, found["left_out"])
