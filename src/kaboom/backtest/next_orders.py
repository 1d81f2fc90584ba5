"""The orders that wait when a run ends: what its strategy would do from the next bar on."""

import math
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import polars as pl

from kaboom.backtest.broker import Order, OrderKind
from kaboom.backtest.engine.arrays import LAST
from kaboom.backtest.engine.fills import whole_lots
from kaboom.backtest.journal import REASONS
from kaboom.backtest.panel import Panel
from kaboom.backtest.result import Result
from kaboom.backtest.summary import NextOrder
from kaboom.market.calendar import JST, closes_at, is_session, next_session

#: The columns of `orders.csv`.
ORDER_SCHEMA = pl.Schema(
    {
        "symbol": pl.String(),
        "side": pl.String(),
        "shares": pl.Float64(),
        "kind": pl.String(),
        "price": pl.Float64(),
        "reason": pl.String(),
        "weight": pl.Float64(),
        "held": pl.Float64(),
        "last": pl.Float64(),
    }
)


def list_next_orders(result: Result) -> list[NextOrder]:
    """Return what waits for the next bar, by symbol: targets, orders, and the stops and take-profits of positions.

    Shares of a target are those that its decision gives at the last close. The fill model may fill fewer: by cash, by
    the volume of the bar, or by another price where sizes are set at the fill.
    """
    if result.is_ruined:
        return []
    sim, panel = result.sim, result.panel
    listed = [s for s in range(panel.shape[1]) if sim.issues.delisted[s] >= panel.shape[0]]
    waiting: dict[int, list[Order]] = {}
    for order in result.orders:
        waiting.setdefault(order.column, []).append(order)
    return [each for s in listed for each in _of_symbol(result, s, waiting.get(s, ()))]


def find_next_session(panel: Panel) -> date:
    """Return the session of the bar after the last of a panel, by the calendar of the TSE."""
    closed = panel.closed_at(panel.shape[0] - 1)
    day = closed.astimezone(JST).date()
    return day if is_session(day) and closed < closes_at(day) else next_session(day)


def order_table(orders: list[NextOrder]) -> pl.DataFrame:
    """Return orders as a table in `ORDER_SCHEMA`."""
    return pl.DataFrame([order.model_dump() for order in orders], schema=ORDER_SCHEMA)


def _of_symbol(result: Result, s: int, orders: Sequence[Order]) -> Iterator[NextOrder]:
    state = result.sim.state
    held, want, weight = float(state.shares[s]), float(state.want[s]), float(state.weight[s])
    has_target = not math.isnan(weight)
    is_left = has_target and want * held <= 0.0
    if has_target:
        delta = want - held if is_left else whole_lots(want - held, result.sim.rules.lot)
        if delta:
            yield _order(result, s, delta, reason=REASONS[state.reason[s]], weight=weight)
    for order in orders:
        # A stop order that was reached keeps its level.
        level = None if order.kind is OrderKind.MARKET else order.level
        yield _order(result, s, order.shares, kind=order.kind.value, price=level, reason="order")
    if held and not is_left:
        for kind, level, reason in (("stop", state.stop[s], "stop_loss"), ("limit", state.profit[s], "take_profit")):
            if not math.isnan(level):
                yield _order(result, s, -held, kind=kind, price=float(level), reason=reason)


def _order(result: Result, s: int, delta: float, **terms: Any) -> NextOrder:
    """Return an order for `delta` shares of a symbol, negative to sell: at the market, unless `terms` say otherwise."""
    fields = {
        "symbol": result.panel.symbols[s],
        "side": "buy" if delta > 0 else "sell",
        "shares": abs(delta),
        "kind": "market",
        "held": float(result.sim.state.shares[s]),
        "last": float(result.panel.prices[LAST, -1, s]),
    }
    return NextOrder.model_validate(fields | terms)
