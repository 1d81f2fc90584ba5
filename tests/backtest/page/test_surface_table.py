"""The surface of a sweep as a table: what the page shows of it without the canvas."""

from typing import Any

import pytest

from kaboom.backtest.page.reports import build_surface


def surface(x: int, y: int) -> dict[str, Any]:
    """Return a surface of the API with the number of the trial in each cell."""
    return {
        "x": "fast", "y": "slow" if y else None, "x_values": list(range(x)),
        "y_values": [10 * n for n in range(y)] if y else None, "cells": list(range(x * max(y, 1))),
    }  # fmt: skip


@pytest.mark.parametrize("found", [None, {}, {"surfaces": [], "left_out": []}])
def test_a_sweep_of_no_pair_has_no_surface(found: dict[str, Any] | None) -> None:
    assert build_surface(found) is None


def test_pairs_that_are_all_too_large_are_named() -> None:
    shown = build_surface({"surfaces": [], "left_out": [["fast", "slow"]]})
    assert shown is not None
    assert (shown.names, shown.rows, shown.left_out) == ((), (), [["fast", "slow"]])


def test_the_highest_value_is_on_top() -> None:
    shown = build_surface({"surfaces": [surface(3, 2), surface(2, 0)], "left_out": []})
    assert shown is not None
    assert (shown.x, shown.y, shown.x_values) == ("fast", "slow", [0, 1, 2])
    assert shown.rows == [(10, [3, 4, 5]), (0, [0, 1, 2])]
    assert shown.names == [("fast", "slow"), ("fast", "")]


def test_one_parameter_is_one_row() -> None:
    shown = build_surface({"surfaces": [surface(3, 0)], "left_out": []})
    assert shown is not None
    assert (shown.y, shown.rows) == ("", [("", [0, 1, 2])])


@pytest.mark.parametrize(("size", "rows"), [((20, 20), 20), ((401, 1), 0)])
def test_a_large_surface_is_only_drawn(size: tuple[int, int], rows: int) -> None:
    shown = build_surface({"surfaces": [surface(*size)], "left_out": []})
    assert shown is not None
    assert (len(shown.rows), len(shown.names)) == (rows, 1)
