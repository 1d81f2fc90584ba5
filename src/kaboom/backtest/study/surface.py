"""The surface of a sweep: the results of its trials over two parameters; pure."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import orjson

from kaboom.backtest.request import Scalar
from kaboom.backtest.study.trials import TrialTable

#: A surface with more cells is left out, since it would be too large to read; `trials.csv` has all trials.
MOST_CELLS = 10_000
_MOST_PARAMETERS = 4
_VALUES = ("total_return", "sharpe", "max_drawdown")


def build_surfaces(table: TrialTable, choices: Mapping[str, tuple[Scalar, ...]], *, window: int, rank_by: str) -> bytes:
    """Return the surface of each pair of parameters as JSON; a cell has its best trial over all other parameters.

    A cell is null if no trial was run; else it has the number of the trial, its total return, its Sharpe ratio and
    its maximum drawdown. With only one parameter, the surface has one row.
    """
    varied = [name for name, values in choices.items() if len(values) > 1] or list(choices)[:1]
    pairs = list(combinations(varied[:_MOST_PARAMETERS], 2)) or [(varied[0], "")]
    # For each parameter the place of its value in each trial; the last parameter changes fastest.
    places_of = np.unravel_index(np.array(table.numbers), [len(values) for values in choices.values()])
    digits: dict[str, Any] = dict(zip(choices, places_of, strict=True))
    order = table.best(window, rank_by, len(table.numbers))
    surfaces, left_out = list[dict[str, Any]](), list[list[str]]()
    for x, y in pairs:
        shape = (len(choices[y]) if y else 1, len(choices[x]))
        if shape[0] * shape[1] > MOST_CELLS:
            left_out.append([x, y])
            continue
        places = (digits[y] if y else np.zeros(len(table.numbers), dtype=np.int64)) * shape[1] + digits[x]
        surfaces.append(
            {
                "x": x,
                "y": y or None,
                "x_values": list(choices[x]),
                "y_values": list(choices[y]) if y else [],
                "cells": _cells(table, window, order, (places, shape[0] * shape[1])),
            }
        )
    found = {"rank_by": rank_by, "values": list(_VALUES), "surfaces": surfaces, "left_out": left_out}
    return orjson.dumps(found)


def _cells(table: TrialTable, window: int, order: Sequence[int], grid: tuple[Any, int]) -> list[list[Any] | None]:
    places, size = grid
    cells: list[list[Any] | None] = [None] * size
    columns = [table.column(window, name) for name in _VALUES]
    for trial in order:
        place = int(places[trial])
        # The trials are sorted, best first, so a cell keeps its first trial.
        if cells[place] is None:
            values = [round(float(v[trial]), 6) if np.isfinite(v[trial]) else None for v in columns]
            cells[place] = [table.numbers[trial], *values]
    return cells
