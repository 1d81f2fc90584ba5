"""The cash dividends of a portfolio: those that its shares were paid, and those that are not booked yet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from batch.portfolio.entry import Entry, EntryKind, in_force
from batch.portfolio.money import ZERO, round_yen
from batch.portfolio.position import Position
from batch.portfolio.splits import Split


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
    position = Position()
    for event in _events(one, trades, splits):
        if isinstance(event, Split):
            position.split(event.shares)
        elif event.kind is EntryKind.BUY:
            position.buy(event.day, event.quantity, ZERO)
        else:
            position.sell(event.quantity, ZERO)
    return position.quantity


def _events(one: Dividend, trades: Sequence[Entry], splits: Sequence[Split]) -> Iterator[Entry | Split]:
    """Yield the trades and splits of a symbol before an ex-session; a split comes before the trades of its session."""
    waiting = sorted((each for each in splits if each.symbol == one.symbol), key=lambda each: each.ex_session)
    waiting = [each for each in waiting if each.ex_session < one.ex_session]
    for trade in trades:
        if trade.symbol == one.symbol and trade.day < one.ex_session:
            while waiting and waiting[0].ex_session <= trade.day:
                yield waiting.pop(0)
            yield trade
    yield from waiting
