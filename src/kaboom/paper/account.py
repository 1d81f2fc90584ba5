"""The account of a portfolio at the close of a session, as the fill model needs it, and its fills as entries."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from uuid import uuid4

import numpy as np

from kaboom.backtest.broker import Broker
from kaboom.backtest.engine.arrays import LAST
from kaboom.backtest.engine.rules import Rules
from kaboom.backtest.journal import REASONS
from kaboom.backtest.panel import Panel
from kaboom.backtest.run import new_sim
from kaboom.errors import Conflict
from kaboom.market.action import Split
from kaboom.paper.orders import Waiting
from kaboom.portfolio.book import Book, replay
from kaboom.portfolio.entry import Entry, EntryKind, Order, make_movement, make_trade
from kaboom.portfolio.money import ZERO, round_yen

#: A share that is worth nothing when its issue ends is sold for the least price that an entry may have.
_LEAST_PRICE = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Account:
    """The cash of a portfolio in yen, and of each symbol held the shares and the mean price of their entries."""

    cash: float
    shares: Mapping[str, int]
    average: Mapping[str, float]

    @classmethod
    def at(cls, entries: Sequence[Entry], splits: Iterable[Split], until: date) -> "Account":
        """Return the account after all entries and splits up to a day.

        Raises:
            Conflict: a corporate action has changed since an entry was booked, and a position would be negative.

        """
        splits = tuple(splits)
        book = replay(entries, splits, until=until)
        # A stop by distance is counted from the prices, without fees.
        priced = replay(entries, splits, until=until, apply=_hold_without_fee)
        held = {symbol: position.quantity for symbol, position in book.positions.items() if position.quantity}
        return cls(float(book.cash), held, {symbol: float(priced.positions[symbol].average_cost) for symbol in held})

    def equity(self, panel: Panel, bar: int) -> float:
        """Return cash plus shares at the close of a bar, in yen; a symbol without a close is not counted."""
        last = ((shares, panel.prices[LAST, bar, panel.column_of(symbol)]) for symbol, shares in self.shares.items())
        return self.cash + sum(float(shares * price) for shares, price in last if not math.isnan(price))

    def open_broker(self, panel: Panel, bar: int, rules: Rules, waiting: Waiting) -> Broker:
        """Return a broker with this account and what waits, before a bar.

        Raises:
            Conflict: the portfolio holds a symbol that the strategy does not trade.

        """
        broker = Broker(new_sim(panel, rules, 1.0))
        account, state = broker.sim.account, broker.sim.state
        account.cash = self.cash
        account.next_ex = int(np.searchsorted(panel.ex_sessions.bar, bar))
        for symbol, shares in self.shares.items():
            if symbol not in panel.symbols:
                raise Conflict(f"the portfolio holds {symbol}, which is not among the symbols of its strategy")
            s = panel.column_of(symbol)
            state.shares[s], state.average[s], state.basis[s] = shares, self.average[symbol], self.average[symbol]
        waiting.place(broker, panel)
        return broker


def _hold_without_fee(book: Book, entry: Entry) -> None:
    book.hold(replace(entry, fee=ZERO))


def fill_bar(broker: Broker, panel: Panel, bar: int, day: date) -> list[Entry]:
    """Fill what waits in a bar, and return the entries that follow, in their order."""
    broker.work(bar)
    rows, count = broker.sim.rows, broker.sim.account.rows
    columns = (rows.symbol, rows.reason, rows.shares, rows.price, rows.fee, rows.amount)
    table = zip(*(column[:count].tolist() for column in columns), strict=True)
    entries = (_entry(day, panel.symbols[s], REASONS[reason], values) for s, reason, *values in table)
    return [entry for entry in entries if entry]


def _entry(day: date, symbol: str, reason: str, values: Sequence[float]) -> Entry | None:
    shares, price, fee, amount = values
    if reason in {"dividend", "split"}:
        # The shares of a split follow from the corporate action; the fraction of a share is paid.
        kind, paid = (EntryKind.DIVIDEND if reason == "dividend" else EntryKind.FRACTION), _to_yen(amount)
        return make_movement(uuid4().hex, day, kind, paid, symbol=symbol, note="paper") if paid > 0 else None
    kind = EntryKind.BUY if shares > 0 else EntryKind.SELL
    terms = Order(symbol, round(abs(shares)), max(_to_yen(price), _LEAST_PRICE), _to_yen(fee))
    return make_trade(uuid4().hex, day, kind, terms, note=f"paper: {reason}")


def _to_yen(value: float) -> Decimal:
    # By the shortest text of the float: 2841.3, not 2841.3000000000001818989.
    return round_yen(Decimal(repr(float(value))))
