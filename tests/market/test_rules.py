"""Ticks and price limits, at and around their bounds."""

import math
from itertools import pairwise
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaboom.market.bounds import LOT
from kaboom.market.rules import (
    daily_limits,
    is_on_tick,
    limit_bounds,
    round_to_tick,
    tick_periods,
    tick_sizes,
    tick_table,
)

# (highest price of the class, tick of TOPIX500, tick of the others)
TICKS = [
    (1_000, 0.1, 1),
    (3_000, 0.5, 1),
    (5_000, 1, 5),
    (10_000, 1, 10),
    (30_000, 5, 10),
    (50_000, 10, 50),
    (100_000, 10, 100),
    (300_000, 50, 100),
    (500_000, 100, 500),
    (1_000_000, 100, 1_000),
    (3_000_000, 500, 1_000),
    (5_000_000, 1_000, 5_000),
    (10_000_000, 1_000, 10_000),
    (30_000_000, 5_000, 10_000),
    (50_000_000, 10_000, 50_000),
    (50_000_001, 10_000, 100_000),
]
# (price below which a base price belongs to the class, limit)
LIMITS = [
    (100, 30), (200, 50), (500, 80), (700, 100), (1_000, 150), (1_500, 300), (2_000, 400), (3_000, 500),
    (5_000, 700), (7_000, 1_000), (10_000, 1_500), (15_000, 3_000), (20_000, 4_000), (30_000, 5_000),
    (50_000, 7_000), (70_000, 10_000), (100_000, 15_000), (150_000, 30_000), (1_000_000, 150_000),
    (10_000_000, 1_500_000),
]  # fmt: skip

prices = st.floats(min_value=0.05, max_value=60_000_000, allow_nan=False)


@pytest.mark.parametrize(("highest", "fine", "plain"), TICKS)
def test_a_tick_class_includes_its_upper_bound(highest: float, fine: float, plain: float) -> None:
    assert tick_sizes(np.array([highest]), topix500=True).tolist() == [fine]
    assert tick_sizes(np.array([highest]), topix500=False).tolist() == [plain]


def test_the_next_class_begins_just_above_the_bound() -> None:
    for (highest, *_), (_, *next_ticks) in pairwise(TICKS):
        above = np.array([highest + 0.5])
        assert [tick_sizes(above, topix500=is_fine)[0] for is_fine in (True, False)] == next_ticks
    assert tick_sizes(np.array([3_000.0, 3_000.5, 5_000.0, 5_001.0]), topix500=False).tolist() == [
        1,
        5,
        5,
        10,
    ]
    assert tick_sizes(np.array([1_000.0, 1_000.5, 3_001.0]), topix500=True).tolist() == [0.1, 0.5, 1]


#: Of TOPIX100, by the bound of prices: 2014-01-14 to 07-21, 2014-07-22 to 2015-09-23, and since then.
OF_TOPIX100 = [
    (1_000, 1, 0.1, 0.1), (3_000, 1, 0.5, 0.5), (5_000, 1, 0.5, 1), (10_000, 1, 1, 1), (30_000, 5, 5, 5),
    (50_000, 5, 5, 10), (100_000, 10, 10, 10), (300_000, 50, 50, 50), (500_000, 50, 50, 100),
    (1_000_000, 100, 100, 100), (3_000_000, 500, 500, 500), (5_000_000, 500, 500, 1_000),
    (10_000_000, 1_000, 1_000, 1_000), (30_000_000, 5_000, 5_000, 5_000), (50_000_000, 5_000, 5_000, 10_000),
    (math.inf, 10_000, 10_000, 10_000),
]  # fmt: skip


def test_the_table_of_ticks_has_what_held_in_each_period() -> None:
    bounds, periods = tick_table()
    highest, first, second, fine = zip(*OF_TOPIX100, strict=True)
    others = tuple(plain for _, _, plain in TICKS)
    assert (*bounds, math.inf) == highest
    assert [row for row, _, _ in periods] == [others] * 5
    assert [row for _, row, _ in periods] == [others] * 4 + [fine]
    assert [row for _, _, row in periods] == [others, first, second, fine, fine]


@pytest.mark.parametrize(
    ("first", "period"), [("2014-01-14", 1), ("2014-07-22", 2), ("2015-09-24", 3), ("2023-06-05", 4)]
)
def test_a_period_of_ticks_begins_on_its_day(first: str, period: int) -> None:
    day = np.datetime64(first).astype(np.int64)
    assert tick_periods(np.array([day - 1, day])).tolist() == [period - 1, period]
    assert tick_periods(np.array([0])).tolist() == [0]


def test_each_price_may_have_its_own_class() -> None:
    assert tick_sizes(np.array([999.0, 999.0]), np.array([True, False])).tolist() == [0.1, 1]


@pytest.mark.parametrize(
    ("price", "fine", "plain"),
    [
        (999.9, True, False),
        (999.95, False, False),
        (2_999.5, True, False),
        (3_000.5, False, False),
        (3_001.0, True, False),
        (3_005.0, True, True),
        (float(np.float32(999.9)), True, False),  # how Yahoo sends it: 999.9000244140625
        (123.4, True, False),
    ],
)
def test_on_tick(price: float, fine: bool, plain: bool) -> None:  # noqa: FBT001  a table of truths
    assert is_on_tick(np.array([price]), topix500=True).tolist() == [fine]
    assert is_on_tick(np.array([price]), topix500=False).tolist() == [plain]


@pytest.mark.parametrize(
    ("direction", "rounded"),
    [
        ("nearest", [123.5, 2_999.5, 3_000.0, 0.1, 0.3, 999.9]),
        ("down", [123.4, 2_999.5, 3_000.0, 0.1, 0.3, 999.9]),
        ("up", [123.5, 3_000.0, 3_001.0, 0.1, 0.3, 999.9]),
    ],
)
def test_rounding(direction: Literal["nearest", "down", "up"], rounded: list[float]) -> None:
    given_prices = np.array([123.46, 2_999.7, 3_000.2, 0.04, 0.3, float(np.float32(999.9))])
    assert round_to_tick(given_prices, topix500=True, direction=direction).tolist() == rounded


@given(prices, st.booleans(), st.sampled_from(["nearest", "down", "up"]))
def test_a_rounded_price_is_legal_and_stays_put(
    price: float,
    topix500: bool,  # noqa: FBT001  drawn
    direction: Literal["nearest", "down", "up"],
) -> None:
    once = round_to_tick(np.array([price]), topix500, direction=direction)
    assert is_on_tick(once, topix500).all()
    assert round_to_tick(once, topix500, direction=direction).tolist() == once.tolist()
    assert abs(once[0] - price) <= tick_sizes(np.array([price]), topix500)[0] * (1 + 1e-3)


@pytest.mark.parametrize(("below", "limit"), LIMITS)
def test_a_limit_class_excludes_its_upper_bound(below: float, limit: float) -> None:
    at, under = daily_limits(np.array([below, below - 0.1])).tolist()
    assert under == limit
    assert at > limit


@pytest.mark.parametrize(
    ("base", "limit"), [(1_064, 300), (1_690, 400), (650, 100), (2_635, 500), (887, 150), (588, 100)]
)
def test_official_examples_of_limits(base: float, limit: float) -> None:
    # jpx.co.jp/news/1030, 2022-02-08 and 2021-12-14
    lower, upper = limit_bounds(np.array([float(base)]))
    assert (lower.tolist(), upper.tolist()) == ([base - limit], [base + limit])


def test_four_times_the_limit_gives_the_official_widened_bounds() -> None:
    assert (1_064 + 4 * daily_limits(np.array([1_064.0]))).tolist() == [2_264]
    assert (650 - 4 * daily_limits(np.array([650.0]))).tolist() == [250]


def test_the_lower_bound_is_at_least_a_tick() -> None:
    assert limit_bounds(np.array([20.0]))[0].tolist() == [1]


def test_unknown_prices_stay_unknown() -> None:
    lower, upper = limit_bounds(np.array([np.nan]))
    assert np.isnan([lower, upper]).all()
    assert not is_on_tick(np.array([np.nan]), topix500=True).any()


def test_a_lot_has_100_shares() -> None:
    assert LOT == 100
