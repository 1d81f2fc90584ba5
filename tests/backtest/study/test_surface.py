"""Which trials of a sweep are best, and the surface of its results."""

import math

import numpy as np
import orjson

from kaboom.backtest.request import Scalar
from kaboom.backtest.study.selection import build_surfaces, median_of_neighbours
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


def near(place: int, choices: dict[str, tuple[Scalar, ...]], numbers: tuple[int, ...], values: list[float]) -> float:
    found = median_of_neighbours(table_of(numbers, values), choices, place, np.array(values))
    return round(found, 6)


def test_neighbours_are_a_step_of_one_number_away() -> None:
    """A grid of three by three; the middle has four of them, a corner two; the diagonal ones count for neither."""
    grid: dict[str, tuple[Scalar, ...]] = {"fast": (5, 10, 20), "slow": (0.5, 1, 2)}
    values = [100.0, 1.0, 100.0, 2.0, 50.0, 4.0, 100.0, 8.0, 100.0]
    assert near(4, grid, tuple(range(9)), values) == 3.0
    assert near(0, grid, tuple(range(9)), values) == 1.5
    # Of those that were not run, or have no number, there are fewer.
    assert near(1, grid, (1, 4, 5), [1.0, 50.0, 4.0]) == 2.5
    assert near(4, grid, tuple(range(9)), [*values[:7], math.nan, values[8]]) == 2.0
    assert math.isnan(near(0, grid, (0, 8), [1.0, 2.0]))


def test_steps_are_by_the_order_of_the_numbers_and_texts_have_none() -> None:
    shuffled: dict[str, tuple[Scalar, ...]] = {"fast": (20, 5, 10), "side": ("long", "both")}
    # 20 long, 20 both, 5 long, 5 both, 10 long, 10 both.
    values = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    assert near(0, shuffled, tuple(range(6)), values) == 16.0
    assert near(4, shuffled, tuple(range(6)), values) == 2.5
    flags: dict[str, tuple[Scalar, ...]] = {"on": (True, False), "fast": (1, 2)}
    assert near(0, flags, tuple(range(4)), values[:4]) == 2.0
