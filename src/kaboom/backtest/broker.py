"""Orders, and the fill model in Python: fills orders and targets bar by bar, in the order of `targets`."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from kaboom.backtest.engine.arrays import HIGH, LAST, LOW, OPEN, Sim
from kaboom.backtest.engine.fills import (
    LIMIT,
    ORDER,
    attempt,
    drop_target,
    equity_at_open,
    is_tradable,
    limit_price,
    protect,
    round_price,
    stop_price,
    tick_row,
    whole_lots,
)
from kaboom.backtest.engine.sessions import check_shorts, delist, start_bar
from kaboom.backtest.engine.targets import enter_at_open, exit_at_open, exit_within, set_target
from kaboom.backtest.journal import grown


class OrderKind(StrEnum):
    """When an order is filled: at the next open, at its price or better, or once its price is reached."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"


@dataclass(slots=True, eq=False)
class Order:
    """A pending order.

    Attributes:
        column: of the symbol.
        shares: the shares that are left to buy; negative to sell.
        kind: of the order; a stop order that was reached and partly filled becomes a market order.
        level: its price, yen; NaN for a market order.
        stop: price of the stop-loss that the position gets, yen; NaN for none.
        take: the same for the take-profit.
        stop_loss: distance of the stop-loss from the mean price of the position, as a share of it; NaN for none.
        take_profit: the same for the take-profit.

    """

    column: int
    shares: float
    kind: OrderKind = OrderKind.MARKET
    level: float = math.nan
    stop: float = math.nan
    take: float = math.nan
    stop_loss: float = math.nan
    take_profit: float = math.nan


class Broker:
    """Holds cash, positions and orders. Bars in which nothing can happen are skipped."""

    def __init__(self, sim: Sim) -> None:
        self.sim = sim
        self.orders: list[Order] = []
        #: Columns with a pending target, stop or take-profit.
        self.watched: set[int] = set()
        self._ends: dict[int, list[int]] = {}
        for column, bar in enumerate(sim.issues.delisted.tolist()):
            self._ends.setdefault(bar, []).append(column)
        self._dates = {*sim.ex_sessions.bar.tolist(), *self._ends}
        self._equity = (-1, 0.0)

    def equity(self, bar: int) -> float:
        """Return cash plus positions at the close of the last processed bar, in yen."""
        if self._equity[0] != bar:
            state, prices = self.sim.state, self.sim.prices
            equity = self.sim.account.cash
            # In the order of `equity_at_close`, so that no bit differs.
            for column in state.shares.nonzero()[0].tolist():
                equity += float(state.shares[column] * prices[LAST, bar, column])
            self._equity = (bar, equity)
        return self._equity[1]

    def has_work(self, bar: int) -> bool:
        """Return whether anything can happen in a bar."""
        return bool(self.orders or self.watched or bar in self._dates or self.sim.account.shorts)

    def set_target(self, bar: int, column: int, weight: float) -> None:
        """Set a target weight of equity for the next bar."""
        set_target(self.sim, bar, column, weight, self.equity(bar))
        self.watched.add(column)

    def drop_all(self) -> None:
        """Drop all orders and targets."""
        self.orders = []
        for column in self.watched:
            drop_target(self.sim, column)
        self._look_again()

    def work(self, bar: int) -> None:
        """Fill the orders and targets of earlier bars in a bar."""
        self._make_room()
        if bar in self._dates or self.sim.account.shorts:
            start_bar(self.sim, bar)
        for phase in (self._exit_at_open, self._enter_at_open, self._exit_within, self._enter_within):
            phase(bar)
        for column in self._ends.get(bar, ()):
            delist(self.sim, bar, column)
            self.orders = [order for order in self.orders if order.column != column]
        if self.sim.account.shorts:
            check_shorts(self.sim, bar)
        self._look_again()

    def _make_room(self) -> None:
        # Each order, target and position has at most a few rows in a bar, and as many of its tax.
        need = int(self.sim.account.rows) + 8 * (len(self.orders) + self.sim.state.shares.size) + 16
        if need > self.sim.rows.bar.size:
            self.sim = grown(self.sim, 2 * need)

    def _look_again(self) -> None:
        state = self.sim.state
        if self.sim.account.shorts:
            self.watched.update(np.flatnonzero(~np.isnan(state.weight)).tolist())
        self.watched = {
            s
            for s in self.watched
            if not (math.isnan(state.weight[s]) and math.isnan(state.stop[s]) and math.isnan(state.profit[s]))
        }

    def _equity_at_open(self, bar: int) -> float:
        is_asked = self.sim.rules.is_sized_at_fill and self.sim.account.pending
        return equity_at_open(self.sim, bar) if is_asked else 0.0

    def _exit_at_open(self, bar: int) -> None:
        equity = self._equity_at_open(bar)
        for column in sorted(self.watched):
            exit_at_open(self.sim, bar, column, equity)
        self._work_orders(bar, is_open=True, is_exit=True)

    def _enter_at_open(self, bar: int) -> None:
        equity = self._equity_at_open(bar)
        for column in sorted(self.watched):
            enter_at_open(self.sim, bar, column, equity)
        self._work_orders(bar, is_open=True, is_exit=False)

    def _exit_within(self, bar: int) -> None:
        for column in sorted(self.watched):
            exit_within(self.sim, bar, column)
        self._work_orders(bar, is_open=False, is_exit=True)

    def _enter_within(self, bar: int) -> None:
        self._work_orders(bar, is_open=False, is_exit=False)

    def _work_orders(self, bar: int, *, is_open: bool, is_exit: bool) -> None:
        for order in tuple(self.orders):
            if not is_tradable(self.sim, bar, order.column):
                continue
            price = self._price(order, bar, is_open=is_open)
            if not math.isnan(price) and self._is_over(order, bar, price, is_exit=is_exit):
                self.orders.remove(order)

    def _price(self, order: Order, bar: int, *, is_open: bool) -> float:
        """Return the price at which a bar fills an order, at its open or within it; NaN if the bar does not fill it."""
        prices, column = self.sim.prices, order.column
        opening = prices[OPEN, bar, column]
        if order.kind is OrderKind.MARKET:
            return float(opening) if is_open else math.nan
        is_buy = order.shares > 0
        low, high = (opening, opening) if is_open else (prices[LOW, bar, column], prices[HIGH, bar, column])
        if order.kind is OrderKind.STOP:
            return stop_price(order.shares, order.level, opening, high if is_buy else low)
        return limit_price(order.shares, order.level, opening, low if is_buy else high, self.sim.rules)

    def _is_over(self, order: Order, bar: int, price: float, *, is_exit: bool) -> bool:
        """Fill the part of an order that closes a position, or the part that opens one; return whether it is over."""
        held = float(self.sim.state.shares[order.column])
        if (held * order.shares < 0) is not is_exit:
            return False
        if is_exit:
            return self._close(order, bar, price, held)
        delta = whole_lots(order.shares, self.sim.rules.lot)
        if delta == 0 or (delta < 0 and not self.sim.rules.is_short_allowed):
            return True  # there is nothing to sell
        is_over, filled = self._fill(order, bar, price, delta)
        if filled:
            self._protect(order, bar)
        return is_over

    def _close(self, order: Order, bar: int, price: float, held: float) -> bool:
        is_over, _ = self._fill(order, bar, price, math.copysign(min(abs(order.shares), abs(held)), order.shares))
        if not is_over:
            return False
        is_rest_to_open = self.sim.rules.is_short_allowed or order.shares > 0
        return order.shares == 0 or self.sim.state.shares[order.column] != 0 or not is_rest_to_open

    def _fill(self, order: Order, bar: int, price: float, delta: float) -> tuple[bool, float]:
        state, column = self.sim.state, order.column
        before = float(state.shares[column])
        is_over = attempt(self.sim, bar, column, delta, price, LIMIT if order.kind is OrderKind.LIMIT else ORDER)
        filled = float(state.shares[column]) - before
        order.shares -= filled
        if filled and order.kind is OrderKind.STOP:
            order.kind = OrderKind.MARKET
        return is_over, filled

    def _protect(self, order: Order, bar: int) -> None:
        state, column = self.sim.state, order.column
        side = 1.0 if state.shares[column] > 0 else -1.0
        row = tick_row(self.sim, bar, column)
        if not math.isnan(order.stop):
            state.stop[column] = round_price(order.stop, -side, row, self.sim.rules)
        if not math.isnan(order.take):
            state.profit[column] = round_price(order.take, side, row, self.sim.rules)
        protect(self.sim, bar, column, order.stop_loss, order.take_profit)
        self.watched.add(column)
