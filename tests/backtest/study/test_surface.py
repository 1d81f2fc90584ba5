"""Which trials of a sweep are best, and the surface of its results."""

import math

import numpy as np
import orjson

from kaboom.backtest.request import Scalar
from kaboom.backtest.study.selection import build_surfaces
from kaboom.backtest.study.trials import TrialTable
from kaboom.backtest.sweep import COLUMNS

CHOICES: dict[str, tuple[Scalar, ...]] = {"fast": (5, 10), "slow": (20, 30), "side": ("long", "both")}


def table_of(numbers: tuple[int, ...], sharpe: list[float]) -> TrialTable:
    values = np.zeros((1, len(numbers), len(COLUMNS)))
    values[0, :, COLUMNS.index("sharpe")] = sharpe
    return TrialTable(numbers, values)


def test_equal_trials_are_ranked_by_number_and_those_without_a_value_come_last() -> None:
    table = table_of((1, 3, 4, 6), [math.nan, 2.0, 2.0, 3.0])
    assert table.best(0, "sharpe", 4) == [3, 1, 2, 0]
    assert table.best(0, "sharpe", 2) == [3, 1]


def test_a_cell_has_the_best_trial_over_all_other_parameters() -> None:
    # fast=5, slow=20: numbers 0 and 1; fast=5, slow=30: 2 and 3.
    table = table_of((0, 1, 2, 3), [1.0, 2.0, 4.0, 3.0])
    surfaces = orjson.loads(build_surfaces(table, CHOICES, window=0, rank_by="sharpe"))["surfaces"]
    one = next(each for each in surfaces if (each["x"], each["y"]) == ("fast", "slow"))
    # Rows are values of `slow`.
    assert [cell and (cell[0], cell[2]) for cell in one["cells"]] == [(1, 2.0), None, (2, 4.0), None]
