"""Ticks, lots, fees and levels of fills, as functions of numbers, on both sides of each bound."""

import math

import pytest

from kaboom.backtest.engine.arrays import FOREIGN, OTHER, TICK_CLASSES, TOPIX100
from kaboom.backtest.engine.fills import (
    affordable,
    fee_of,
    limit_price,
    round_price,
    stop_price,
    tick_of,
    whole_lots,
)
from kaboom.backtest.engine.rules import Rules
from kaboom.backtest.model import Fees, FillModel
from kaboom.market.rules import TICK_PERIODS

RULES = FillModel().to_rules()
# The rows of the newest period of the table of ticks.
OTHERS, FINE = ((TICK_PERIODS - 1) * TICK_CLASSES + each for each in (OTHER, TOPIX100))
NAN = math.nan


def rules_of(**fees: object) -> Rules:
    return FillModel(fees=Fees.parse(fees)).to_rules()


@pytest.mark.parametrize(
    ("price", "others", "topix500"),
    [
        (1000, 1, 0.1),
        (1000.5, 1, 0.5),
        (3000, 1, 0.5),
        (3001, 5, 1),
        (5000, 5, 1),
        (5001, 10, 1),
        (99e6, 100_000, 10_000),
    ],
)
def test_a_tick_is_that_of_prices_up_to_its_bound(price: float, others: float, topix500: float) -> None:
    assert (tick_of(price, OTHERS, RULES), tick_of(price, FINE, RULES)) == (others, topix500)


@pytest.mark.parametrize(
    ("price", "up", "down"),
    [
        (3002, 3005, 3000),
        (3005, 3005, 3005),
        (2999.5, 3000, 2999),
        (0.2, 1, 1),
        (3005.0001, 3005, 3005),
        (NAN, NAN, NAN),
    ],
)
def test_a_price_is_rounded_to_a_tick_on_either_side_and_to_one_at_least(price: float, up: float, down: float) -> None:
    assert round_price(price, 1.0, 0, RULES) == pytest.approx(up, nan_ok=True)
    assert round_price(price, -1.0, 0, RULES) == pytest.approx(down, nan_ok=True)


def test_a_tick_of_a_tenth_leaves_no_error_of_its_product() -> None:
    assert [round_price(price, way, FINE, RULES) for price, way in ((570.26, 1.0), (570.26, -1.0), (570.3, 1.0))] == [
        570.3,
        570.2,
        570.3,
    ]
    free = FillModel(has_ticks=False).to_rules()
    assert round_price(570.26, 1.0, FINE, free) == 570.26


def test_a_symbol_of_no_exchange_has_ticks_only_if_asked() -> None:
    forced = FillModel(has_ticks=True).to_rules()
    assert [round_price(146.53, 1.0, FOREIGN, rules) for rules in (RULES, forced)] == [146.53, 147.0]
    assert [tick_of(146.53, FOREIGN, rules) for rules in (RULES, forced)] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("shares", "lots"), [(100, 100), (199, 100), (99, 0), (-100, -100), (-199, -100), (-99, 0), (0, 0)]
)
def test_shares_are_rounded_to_lots_towards_nothing(shares: float, lots: float) -> None:
    assert whole_lots(shares, 100.0) == lots


@pytest.mark.parametrize(
    ("value", "fee"), [(0, 50), (99_999, 50), (100_000, 50), (200_000, 100), (400_000, 190), (500_000, 190)]
)
def test_a_fee_is_a_share_and_a_part_between_its_bounds(value: float, fee: float) -> None:
    assert fee_of(value, rules_of(rate=0.0005, least=50, most=190)) == fee


def test_a_fixed_part_is_added_to_the_share() -> None:
    assert fee_of(100_000, rules_of(rate=0.001, fixed=30)) == 130
    assert fee_of(1e12, rules_of(rate=0.001)) == 1e9


@pytest.mark.parametrize(("value", "fee"), [(1, 10), (100, 10), (100.5, 20), (200, 20), (201, 30), (1e9, 30)])
def test_a_step_of_fees_holds_up_to_its_value_and_the_last_one_above(value: float, fee: float) -> None:
    assert fee_of(value, rules_of(steps=[[100, 10], [200, 20], [300, 30]])) == fee


@pytest.mark.parametrize(
    ("cash", "fees", "shares"),
    [
        (100_000, {}, 100),
        (99_999, {}, 0),
        (100_100, {"rate": 0.001}, 100),
        (100_099, {"rate": 0.001}, 0),
        (100_500, {"fixed": 500}, 100),
        (100_499, {"fixed": 500}, 0),
        (1_000_100, {"rate": 0.01, "most": 100}, 1000),
        (1_000_099, {"rate": 0.01, "most": 100}, 900),
        (-1, {}, 0),
    ],
)
def test_cash_buys_the_lots_that_it_pays_with_their_fee(cash: float, fees: dict[str, float], shares: float) -> None:
    assert affordable(cash, 1000.0, rules_of(**fees), 0.0) == shares


def test_a_fixed_fee_of_many_lots_is_paid_from_the_cash() -> None:
    rules = FillModel(lot=1, fees=Fees(fixed=1e9)).to_rules()
    assert affordable(3e9 + 0.5, 0.5, rules, 0.0) == 4e9 + 1
    assert affordable(1e15, 0.1, FillModel(lot=1, fees=Fees(fixed=1)).to_rules(), 0.0) == pytest.approx(1e16)


@pytest.mark.parametrize(
    ("delta", "opening", "reached", "price"),
    [
        (1.0, 990, 999, NAN),
        (1.0, 990, 1000, 1000),
        (1.0, 1010, 1020, 1010),
        (-1.0, 1010, 1001, NAN),
        (-1.0, 1010, 1000, 1000),
        (-1.0, 990, 980, 990),
    ],
)
def test_a_stop_is_filled_at_its_level_or_at_a_worse_open(
    delta: float, opening: float, reached: float, price: float
) -> None:
    assert stop_price(delta, 1000.0, opening, reached) == pytest.approx(price, nan_ok=True)


@pytest.mark.parametrize(
    ("delta", "opening", "reached", "price", "on_touch"),
    [
        (1.0, 1000, 990, 1000, 1000),
        (1.0, 990, 980, 990, 990),
        (1.0, 1010, 1000, NAN, 1000),
        (1.0, 1010, 999, 1000, 1000),
        (1.0, 1010, 1001, NAN, NAN),
        (-1.0, 1000, 1010, 1000, 1000),
        (-1.0, 1010, 1020, 1010, 1010),
        (-1.0, 990, 1000, NAN, 1000),
        (-1.0, 990, 1001, 1000, 1000),
        (-1.0, 990, 999, NAN, NAN),
    ],
)
def test_a_limit_is_filled_at_a_better_open_or_at_its_level_once_prices_are_through(
    delta: float, opening: float, reached: float, price: float, on_touch: float
) -> None:
    touched = FillModel(fills_on_touch=True).to_rules()
    assert limit_price(delta, 1000.0, opening, reached, RULES) == pytest.approx(price, nan_ok=True)
    assert limit_price(delta, 1000.0, opening, reached, touched) == pytest.approx(on_touch, nan_ok=True)
