"""The cash dividends of a portfolio: those that its shares were paid, and those that are not booked yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from kaboom.market.action import Split
from kaboom.portfolio.book import Book, replay
from kaboom.portfolio.entry import Entry, EntryKind, in_force
from kaboom.portfolio.money import round_yen


@dataclass(frozen=True, slots=True)
class Dividend:
    """A cash dividend: `amount` yen for each share held at the close before the ex-session, before tax."""

    symbol: str
    ex_session: date
    amount: Decimal


@dataclass(frozen=True, slots=True)
class DueDividend:
    """A dividend that a portfolio is due and has not booked.

    Attributes:
        shares: held at the close before the ex-session.
        paid: yen for all of them, to four digits.

    """

    dividend: Dividend
    shares: int
    paid: Decimal


def due_dividends(
    entries: Sequence[Entry], splits: Sequence[Split], dividends: Sequence[Dividend]
) -> list[DueDividend]:
    """Return the dividends that no entry has booked, by ex-session and symbol.

    A dividend counts as booked if there is a dividend entry of its symbol and ex-session, even a reversed one.
    """
    booked = {(entry.symbol, entry.day) for entry in entries if entry.kind is EntryKind.DIVIDEND}
    trades = [entry for entry in in_force(entries) if entry.kind.is_trade]
    due = []
    for one in sorted(dividends, key=lambda each: (each.ex_session, each.symbol)):
        shares = 0 if (one.symbol, one.ex_session) in booked else _held_before(one, trades, splits)
        if paid := round_yen(one.amount * shares):
            due.append(DueDividend(one, shares, paid))
    return due


def _held_before(one: Dividend, trades: Sequence[Entry], splits: Sequence[Split]) -> int:
    book = replay(
        [trade for trade in trades if trade.symbol == one.symbol],
        [split for split in splits if split.symbol == one.symbol],
        until=one.ex_session - timedelta(days=1),
        apply=Book.hold,
    )
    return book.held(one.symbol)
