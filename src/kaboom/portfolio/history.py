"""The value of a portfolio at the close of each session."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from kaboom.market.action import Split
from kaboom.portfolio.book import Book
from kaboom.portfolio.entry import Entry, in_force
from kaboom.portfolio.money import ZERO
from kaboom.portfolio.valuation import scale_price

type Closes = Mapping[str, Mapping[date, Decimal]]
type _Event = Split | Entry | tuple[str, Decimal] | None


@dataclass(frozen=True, slots=True)
class EquityDay:
    """A portfolio at the close of a day, in yen.

    Attributes:
        value: of the positions at their last closes up to the day; None if a position has no close yet.
        equity: cash plus value; None if `value` is None.
        net_deposits: deposits less withdrawals, from the beginning to the day.
        stale: how many positions have no close on the day itself, and are valued at an older one or not at all.
        gains: what each symbol has earned from the beginning to the day, realised and not, with its income; only
            symbols with a close.

    """

    day: date
    cash: Decimal
    value: Decimal | None
    equity: Decimal | None
    net_deposits: Decimal
    stale: int
    gains: Mapping[str, Decimal] = field(default_factory=dict, compare=False)


def equity_history(
    entries: Sequence[Entry], splits: Sequence[Split], closes: Closes, days: Sequence[date]
) -> Iterator[EquityDay]:
    """Yield a portfolio at the close of each of the days, oldest first; `closes` are as traded, by symbol and day.

    Closes before the first day count, too: a position without a close on a day is valued at its last close, which is
    adjusted for later splits.

    Raises:
        Shortfall: cash or a position would be negative at any time.

    """
    book, last = Book(), dict[str, Decimal]()
    events: list[tuple[date, int, _Event]] = [
        *((split.ex_session, 0, split) for split in splits),
        *((entry.day, 1, entry) for entry in in_force(entries)),
        *((day, 2, (symbol, close)) for symbol, by_day in closes.items() for day, close in by_day.items()),
        *((day, 3, None) for day in days),
    ]
    # Events of one day and kind keep their order.
    for day, _, event in sorted(events, key=lambda event: event[:2]):
        if isinstance(event, Split):
            book.split(event)
            if event.symbol in last:
                last[event.symbol] = scale_price(last[event.symbol], event.shares)
        elif isinstance(event, Entry):
            book.apply(event)
        elif event:
            last[event[0]] = event[1]
        else:
            yield _close(book, day, last, closes)


def _close(book: Book, day: date, last: Mapping[str, Decimal], closes: Closes) -> EquityDay:
    held = [symbol for symbol in book.positions if book.held(symbol)]
    stale = sum(day not in closes.get(symbol, {}) for symbol in held)
    value = None
    if all(symbol in last for symbol in held):
        value = sum((last[symbol] * book.held(symbol) for symbol in held), ZERO)
    equity = None if value is None else book.cash + value
    gains = {
        symbol: last.get(symbol, ZERO) * each.quantity - each.cost + each.realised + each.income
        for symbol, each in book.positions.items()
        if symbol in last or not each.quantity
    }
    return EquityDay(day, book.cash, value, equity, book.net_deposits, stale, gains)
