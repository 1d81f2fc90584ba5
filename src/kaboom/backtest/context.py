"""The interface of a strategy at the close of a bar: the bars so far, the account, and orders."""

import math
from datetime import datetime
from typing import Literal, TypedDict, Unpack, cast

from kaboom.backtest.broker import Broker, Order, OrderKind
from kaboom.backtest.engine.arrays import LAST, Floats
from kaboom.backtest.engine.fills import round_price, tick_row
from kaboom.backtest.panel import PLACES, Panel
from kaboom.errors import InvalidRequest

type Column = Literal["open", "high", "low", "close", "volume"]


class Terms(TypedDict, total=False):
    """The terms of an order.

    Attributes:
        limit: the price that is paid at most, or got at least, in yen.
        stop_at: the price that, once reached, makes it a market order, in yen.
        stop: the price that closes the position that follows at a loss, in yen.
        take: the price that closes it at a profit, in yen.
        stop_loss: the same loss as a share of its mean price.
        take_profit: the same profit as a share of its mean price.

    """

    limit: float
    stop_at: float
    stop: float
    take: float
    stop_loss: float
    take_profit: float


class Context:
    """The account, the bars up to now, and methods for orders. Orders are filled from the next bar on."""

    def __init__(self, panel: Panel, broker: Broker) -> None:
        self._panel = panel
        self._broker = broker
        #: The number of the bar that has just closed.
        self.bar = 0

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of the panel."""
        return self._panel.symbols

    @property
    def now(self) -> datetime:
        """The close time of the bar, aware UTC."""
        return self._panel.closed_at(self.bar)

    @property
    def cash(self) -> float:
        """Cash, in yen."""
        return self._broker.sim.account.cash

    @property
    def equity(self) -> float:
        """Cash plus positions at this close, in yen."""
        return self._broker.equity(self.bar)

    @property
    def orders(self) -> tuple[Order, ...]:
        """The pending orders."""
        return tuple(self._broker.orders)

    def position(self, symbol: str) -> float:
        """Return the shares held of a symbol; negative if short."""
        return float(self._broker.sim.state.shares[self._panel.column_of(symbol)])

    def last(self, symbol: str) -> float:
        """Return the last close of a symbol, in yen; NaN before its first bar."""
        return float(self._panel.prices[LAST, self.bar, self._panel.column_of(symbol)])

    def is_listed(self, symbol: str) -> bool:
        """Return whether a symbol can still be traded after this bar."""
        return self.bar < int(self._broker.sim.issues.delisted[self._panel.column_of(symbol)])

    def history(self, symbol: str, column: Column, bars: int) -> Floats:
        """Return the last values of a column, oldest first; prices and volumes are adjusted for all splits so far.

        There are fewer values at the beginning; NaN (a volume of 0) is a bar without a trade.
        """
        s, end = self._panel.column_of(symbol), self.bar + 1
        rows = slice(max(end - bars, 0), end)
        scale = self._panel.scale[rows, s] / self._panel.scale[self.bar, s]
        values: Floats = self._panel.prices[PLACES[column], rows, s]
        adjusted: Floats = values / scale if column == "volume" else values * scale
        return adjusted

    def statement(self, symbol: str, name: str) -> float:
        """Return a column of statements of a symbol, such as `per`, as `Panel.statement` does; NaN if nothing says.

        Raises:
            InvalidRequest: the strategy does not name it in its `statements`.

        """
        return float(self._panel.statement(name)[self.bar, self._panel.column_of(symbol)])

    def buy(self, symbol: str, shares: float, **terms: Unpack[Terms]) -> Order:
        """Buy shares: at the next open, or at `limit` or better, or once `stop_at` is reached.

        The position that follows is protected by `stop` and `take` (yen), or by `stop_loss` and `take_profit` (shares
        of its mean price).

        Raises:
            InvalidRequest: a number is not allowed.

        """
        return self._place(symbol, 1.0, shares, terms)

    def sell(self, symbol: str, shares: float, **terms: Unpack[Terms]) -> Order:
        """Sell shares, with the terms of `buy`; without a position this sells short, if the fill model allows it.

        Raises:
            InvalidRequest: a number is not allowed.

        """
        return self._place(symbol, -1.0, shares, terms)

    def close(self, symbol: str) -> None:
        """Close the position of a symbol at the next open; odd lots too."""
        self.target(symbol, 0.0)

    def target(self, symbol: str, weight: float) -> None:
        """Bring the position of a symbol to a share of equity at the next open.

        Raises:
            InvalidRequest: the weight is not a number from -10 to 10.

        """
        if not abs(weight) <= 10:
            raise InvalidRequest(f"weight was {weight}, expected -10 to 10")
        self._broker.set_target(self.bar, self._panel.column_of(symbol), float(weight))

    def cancel(self, order: Order) -> None:
        """Cancel a pending order; nothing happens if it is over."""
        self._broker.orders = [each for each in self._broker.orders if each is not order]

    def _place(self, symbol: str, side: float, shares: float, terms: Terms) -> Order:
        if not shares > 0:
            raise InvalidRequest(f"shares were {shares}, expected more than 0")
        order = make_order(self._panel.column_of(symbol), side * shares, terms)
        if not self.is_listed(symbol):
            raise InvalidRequest(f"symbol {symbol} is delisted")
        lot, sim = self._broker.sim.rules.lot, self._broker.sim
        if shares % lot and shares != abs(sim.state.shares[order.column]):
            raise InvalidRequest(f"shares were {shares:g}, expected whole lots of {lot:g}")
        # Rounding never makes a limit worse for the trader, nor a stop easier to reach.
        way = -order.shares if order.kind is OrderKind.LIMIT else order.shares
        order.level = round_price(order.level, way, tick_row(sim, self.bar, order.column), sim.rules)
        self._broker.orders.append(order)
        return order


_TERMS = Terms.__optional_keys__


def make_order(column: int, shares: float, terms: Terms) -> Order:
    """Return the order of some terms.

    Raises:
        InvalidRequest: a term is unknown, or a number is not allowed.

    """
    if unknown := terms.keys() - _TERMS:
        raise InvalidRequest(f"terms were {', '.join(sorted(unknown))}, supported are {', '.join(sorted(_TERMS))}")
    if not (math.isfinite(shares) and shares):
        raise InvalidRequest(f"shares were {shares}, expected more than 0")
    numbers = cast("dict[str, float]", terms)
    for name, value in numbers.items():
        if not (math.isfinite(value) and value > 0):
            raise InvalidRequest(f"{name} was {value}, expected more than 0")
    if {"limit", "stop_at"} <= terms.keys():
        raise InvalidRequest("limit and stop_at were both given, expected one")
    order = Order(column, float(shares))
    if "limit" in terms:
        order.kind, order.level = OrderKind.LIMIT, float(terms["limit"])
    elif "stop_at" in terms:
        order.kind, order.level = OrderKind.STOP, float(terms["stop_at"])
    for name in terms.keys() - {"limit", "stop_at"}:
        setattr(order, name, float(numbers[name]))
    return order
