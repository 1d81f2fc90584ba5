"""The orders that wait when a run ends: they are those that the next bar fills."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from kaboom.backtest.context import Context
from kaboom.backtest.model import FillModel
from kaboom.backtest.next_orders import ORDER_SCHEMA, find_next_session, list_next_orders, order_table
from kaboom.backtest.panel import Delisting, Listings, Panel
from kaboom.backtest.protection import Protection
from kaboom.backtest.run import run_bars, run_targets
from kaboom.backtest.summary import NextOrder
from kaboom.market.bar import BAR_SCHEMA
from kaboom.market.interval import Interval
from tests.fixtures.backtest.panels import bar_frame, flat, panel_of

MODEL = FillModel.parse({"fees": {"rate": 0}, "slippage": {"ticks": 0}, "volume_cap": 0})
NAN = math.nan


def waiting(panel: Panel, targets: list[list[float]], *, engine: str = "python", **options: object) -> list[NextOrder]:
    model = FillModel.parse(MODEL.model_dump() | options)
    return list_next_orders(run_targets(panel, np.array(targets), model, cash=1e6, engine=engine))  # type: ignore[arg-type]


def brief(orders: list[NextOrder]) -> list[tuple[str, str, float, str, float | None, str, float | None]]:
    return [(o.symbol, o.side, o.shares, o.kind, o.price, o.reason, o.weight) for o in orders]


@pytest.mark.parametrize("engine", ["python", "numba"])
@pytest.mark.parametrize("seed", range(3))
def test_what_waits_at_each_close_is_what_the_next_bar_fills(engine: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    closes = 1000 + np.cumsum(rng.integers(-9, 10, size=(40, 3)), axis=0)
    panel = Panel.of(bar_frame({str(1301 + s): [flat(c) for c in closes[:, s]] for s in range(3)}), Interval.D1)
    targets = np.where(rng.random(panel.shape) < 0.3, rng.choice([-0.2, 0.0, 0.1, 0.3], panel.shape), NAN)
    model = FillModel.parse(MODEL.model_dump() | {"allows_short": True, "borrow_rate": 0})
    journal = run_targets(panel, targets, model, cash=1e7, engine="python").journal
    filled = journal.filter(pl.col("reason") == "order").group_by("bar", "symbol").agg(pl.col("shares").sum())
    fills = {(bar, symbol): shares for bar, symbol, shares in filled.iter_rows()}
    for bar in range(39):
        seen = panel.until(bar)
        found = list_next_orders(run_targets(seen, targets[: bar + 1], model, cash=1e7, engine=engine))  # type: ignore[arg-type]
        signed = {(bar + 1, o.symbol): o.shares if o.side == "buy" else -o.shares for o in found}
        assert signed == {at: shares for at, shares in fills.items() if at[0] == bar + 1}
        assert all(o.last == seen.prices[5, -1, seen.column_of(o.symbol)] for o in found)
    assert len(fills) > 15


def test_an_order_of_a_target_says_what_is_held_and_why() -> None:
    panel = panel_of(*[flat(1000)] * 4)
    assert brief(waiting(panel, [[NAN], [NAN], [NAN], [0.5]])) == [("7203", "buy", 500, "market", None, "order", 0.5)]
    (leave,) = waiting(panel, [[0.5], [NAN], [NAN], [0.0]])
    assert (leave.side, leave.shares, leave.weight, leave.held, leave.last) == ("sell", 500, 0.0, 500, 1000)
    (turn,) = waiting(panel, [[0.5], [NAN], [NAN], [-0.5]], allows_short=True)
    assert (turn.side, turn.shares, turn.weight) == ("sell", 1000, -0.5)
    assert waiting(panel, [[0.5], [NAN], [NAN], [0.55]]) == []  # less than a lot
    assert waiting(panel, [[0.5], [NAN], [NAN], [NAN]]) == []


@pytest.mark.parametrize("engine", ["python", "numba"])
def test_stops_of_a_position_wait_until_it_is_left(engine: str) -> None:
    panel = panel_of(*[flat(1000)] * 4)
    guard = Protection.parse({"stop_loss": 0.1, "take_profit": 0.2})

    def found(last: float) -> list[NextOrder]:
        targets = np.array([[0.5], [NAN], [NAN], [last]])
        return list_next_orders(run_targets(panel, targets, MODEL, cash=1e6, protection=guard, engine=engine))  # type: ignore[arg-type]

    stops = [
        ("7203", "sell", 500, "stop", 900.0, "stop_loss", None),
        ("7203", "sell", 500, "limit", 1200.0, "take_profit", None),
    ]
    assert brief(found(NAN)) == stops
    assert brief(found(0.3)) == [("7203", "sell", 200, "market", None, "order", 0.3), *stops]
    assert brief(found(0.0)) == [("7203", "sell", 500, "market", None, "order", 0.0)]


class _Orders:
    def prepare(self, panel: Panel) -> None:
        pass

    def on_bar(self, context: Context) -> None:
        if context.bar == 2:
            context.buy("7203", 100, limit=990.4)
            context.buy("7203", 200, stop_at=1010.2)
            context.sell("9984", 300)
            context.buy("9984", 100)


def test_orders_of_a_strategy_wait_with_their_price() -> None:
    panel = Panel.of(bar_frame({"7203": [flat(1000)] * 3, "9984": [flat(500)] * 3}), Interval.D1)
    done = run_bars(panel, _Orders(), FillModel.parse(MODEL.model_dump() | {"allows_short": True}).to_rules(), 1e6)
    assert brief(list_next_orders(done)) == [
        ("7203", "buy", 100, "limit", 990.0, "order", None),
        ("7203", "buy", 200, "stop", 1011.0, "order", None),
        ("9984", "sell", 300, "market", None, "order", None),
        ("9984", "buy", 100, "market", None, "order", None),
    ]


def test_nothing_waits_for_a_symbol_that_is_delisted_or_after_ruin() -> None:
    days = [flat(1000)] * 3
    gone = Listings(delisted={"7203": Delisting(date(2025, 1, 8))})
    frame = bar_frame({"7203": days, "9984": days})
    panel = Panel.of(frame, Interval.D1, gone)
    assert [o.symbol for o in waiting(panel, [[NAN, NAN], [NAN, NAN], [0.3, 0.3]])] == ["9984"]
    done = run_targets(panel, np.array([[NAN, 0.3]] * 3), MODEL, cash=1e6, engine="python")
    done.sim.account.is_ruined = 1
    assert list_next_orders(replace(done)) == []


@pytest.mark.parametrize(
    ("opened", "interval", "day"),
    [
        (datetime(2025, 1, 10, tzinfo=UTC), Interval.D1, date(2025, 1, 14)),  # before a weekend and a holiday
        (datetime(2025, 1, 8, 6, 25, tzinfo=UTC), Interval.M5, date(2025, 1, 9)),
        (datetime(2025, 1, 8, 6, 20, tzinfo=UTC), Interval.M5, date(2025, 1, 8)),
    ],
)
def test_the_next_session_is_that_of_the_next_bar(opened: datetime, interval: Interval, day: date) -> None:
    row = ("7203", opened, 1.0, 1.0, 1.0, 1.0, 1, 0)
    panel = Panel.of(pl.DataFrame([row], schema=BAR_SCHEMA, orient="row"), interval)
    assert find_next_session(panel) == day


def test_a_table_of_no_orders_has_its_columns() -> None:
    assert order_table([]).schema == ORDER_SCHEMA
    panel = panel_of(*[flat(1000)] * 2)
    assert order_table(waiting(panel, [[NAN], [0.5]])).row(0) == (
        "7203", "buy", 500.0, "market", None, "order", 0.5, 0.0, 1000.0,
    )  # fmt: skip
