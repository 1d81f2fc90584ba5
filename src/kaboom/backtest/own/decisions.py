"""The decisions of a strategy that is called for each bar: noted in its process, and made again in the worker.

The worker fills them itself, so a strategy cannot write its own results.
"""

import math
from dataclasses import dataclass
from typing import cast

import numpy as np

from kaboom.backtest.broker import Broker, Order
from kaboom.backtest.context import Context, Terms
from kaboom.backtest.engine.arrays import Floats
from kaboom.backtest.panel import Panel
from kaboom.errors import InvalidRequest, StrategyFailed

#: The columns of a row of decisions; `what` is one of the kinds below. `value` is the signed shares of an order, a
#: weight, or the number of the order to cancel, counted from 0 in the order in which they were placed.
COLUMNS = ("bar", "what", "symbol", "value", "limit", "stop_at", "stop", "take", "stop_loss", "take_profit")
_ORDER, _TARGET, _CANCEL = 0.0, 1.0, 2.0
_TERMS = COLUMNS[4:]
#: The most decisions of a run.
MOST_DECISIONS = 1_000_000


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a strategy decided.

    Attributes:
        rows: `[decisions, COLUMNS]`, ascending by bar.
        seen: `[bars, 2]`, the cash and the equity that it saw at each bar before its decision.

    """

    rows: Floats
    seen: Floats


class NotingContext(Context):
    """A context that notes each decision that was allowed."""

    def __init__(self, panel: Panel, broker: Broker) -> None:
        super().__init__(panel, broker)
        self._rows = list[tuple[float, ...]]()
        self._seen = list[tuple[float, float]]()
        self._placed = list[Order]()
        self._numbers = dict[int, int]()

    def note_account(self) -> None:
        """Note what the account is before the strategy decides."""
        self._seen.append((self.cash, self.equity))

    def noted(self) -> Decisions:
        """Return what was decided so far."""
        rows = np.array(self._rows, dtype=np.float64).reshape(-1, len(COLUMNS))
        return Decisions(rows, np.array(self._seen, dtype=np.float64).reshape(-1, 2))

    def target(self, symbol: str, weight: float) -> None:
        """Do what `Context.target` does, and note it."""
        super().target(symbol, weight)
        self._note(_TARGET, symbol, weight)

    def cancel(self, order: Order) -> None:
        """Do what `Context.cancel` does, and note it."""
        super().cancel(order)
        if id(order) in self._numbers:
            self._note(_CANCEL, self.symbols[order.column], self._numbers[id(order)])

    def _place(self, symbol: str, side: float, shares: float, terms: Terms) -> Order:
        order = super()._place(symbol, side, shares, terms)
        # Kept, so that no later order gets its id.
        self._placed.append(order)
        self._numbers[id(order)] = len(self._placed) - 1
        self._note(_ORDER, symbol, side * shares, terms)
        return order

    def _note(self, what: float, symbol: str, value: float, terms: Terms | None = None) -> None:
        if len(self._rows) == MOST_DECISIONS:
            raise InvalidRequest(f"the strategy made more than {MOST_DECISIONS:,} decisions, expected at most so many")
        column = self._panel.column_of(symbol)
        numbers = cast("dict[str, float]", terms or {})
        given = (float(numbers.get(name, math.nan)) for name in _TERMS)
        self._rows.append((float(self.bar), what, float(column), float(value), *given))


class Repeating:
    """Makes the decisions of a strategy again, on the account of the worker."""

    def __init__(self, name: str, decisions: Decisions) -> None:
        self._name = name
        self._decisions = decisions
        self._starts = np.searchsorted(decisions.rows[:, 0], np.arange(len(decisions.seen) + 1)).tolist()
        self._placed = list[Order]()

    def decide(self, context: Context) -> None:
        """Make the decisions of a bar.

        Raises:
            InvalidRequest: a decision is not allowed.
            StrategyFailed: the strategy decided on another account than that which its decisions lead to.

        """
        bar, seen = context.bar, self._decisions.seen
        if bar >= len(seen) or (context.cash, context.equity) != tuple(seen[bar].tolist()):
            raise StrategyFailed(
                f"strategy {self._name} changed its account or an order other than by the methods of its context,"
                f" before {context.now.date()}: to change an order, cancel it and place another"
            )
        try:
            for row in self._decisions.rows[self._starts[bar] : self._starts[bar + 1]].tolist():
                self._make(context, row)
        except (IndexError, ValueError, OverflowError) as e:
            raise StrategyFailed(f"strategy {self._name} sent data that cannot be read: {e}") from e

    def _make(self, context: Context, row: list[float]) -> None:
        _, what, column, value, *given = row
        symbol = context.symbols[int(column)]
        if what == _TARGET:
            context.target(symbol, value)
        elif what == _CANCEL:
            context.cancel(self._placed[int(value)])
        else:
            terms = {name: number for name, number in zip(_TERMS, given, strict=True) if not math.isnan(number)}
            place = context.buy if value > 0 else context.sell
            self._placed.append(place(symbol, abs(value), **terms))
