"""Entries of a portfolio: a trade or a movement of cash. An entry is never changed; a reversal takes it back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from kaboom.drivers.printable import clean
from kaboom.errors import Conflict, InvalidRequest, NotFound
from kaboom.portfolio.money import MOST_YEN, ZERO, format_yen

#: Shares of one trade at most.
MOST_SHARES = 1_000_000_000
#: Letters of a note at most.
MOST_NOTE = 200
_OLDEST_YEAR = 1990


class EntryKind(StrEnum):
    """The kind of an entry."""

    BUY = "buy"
    SELL = "sell"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    DIVIDEND = "dividend"
    INTEREST = "interest"
    #: The payment for the fraction of a share that a reverse split left.
    FRACTION = "fraction"
    FEE = "fee"
    TAX = "tax"
    REVERSAL = "reversal"

    @property
    def is_trade(self) -> bool:
        """Whether shares change hands."""
        return self in {EntryKind.BUY, EntryKind.SELL}

    @property
    def is_income(self) -> bool:
        """Whether the entry adds cash and is not a deposit."""
        return self in {EntryKind.DIVIDEND, EntryKind.INTEREST, EntryKind.FRACTION}

    @property
    def is_cost(self) -> bool:
        """Whether the entry takes cash and is not a withdrawal."""
        return self in {EntryKind.FEE, EntryKind.TAX}


#: Kinds that concern one symbol, besides trades.
_OF_SYMBOL = frozenset({EntryKind.DIVIDEND, EntryKind.FRACTION})
#: Kinds of a movement of cash.
CASH_KINDS = tuple(kind for kind in EntryKind if not kind.is_trade and kind is not EntryKind.REVERSAL)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry.

    Attributes:
        entry_id: 32 hex digits.
        day: the day in Japan on which it counts; a trade's cash moves on this day, not at settlement.
        symbol: a TSE local code; "" if the entry concerns none.
        quantity: shares of a trade, before any later split.
        price: yen a share, as traded.
        fee: yen paid for a trade in addition to its price.
        amount: yen; of a trade, quantity times price without the fee.
        note: free text.
        reverses: the id of the entry that a reversal takes back.
        place: where the entry stands among those of its portfolio, from 1 on; entries of one day count in this order.

    """

    entry_id: str
    day: date
    kind: EntryKind
    symbol: str = ""
    quantity: int = 0
    price: Decimal = ZERO
    fee: Decimal = ZERO
    amount: Decimal = ZERO
    note: str = ""
    reverses: str = ""
    place: int = 0
    created_at: datetime | None = None
    created_by: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """The terms of a trade: `quantity` shares at `price` yen each, plus `fee` yen."""

    symbol: str
    quantity: int
    price: Decimal
    fee: Decimal = ZERO


def check_day(day: date, *, today: date) -> date:
    """Return the day of an entry.

    Raises:
        InvalidRequest: the day is in the future, or before 1990, where the calendar begins.

    """
    if day.year < _OLDEST_YEAR or day > today:
        raise InvalidRequest(f"day was {day}, expected 1990-01-01 to {today}, today in Japan", pointer="/day")
    return day


def check_note(note: str) -> str:
    """Return a note.

    Raises:
        InvalidRequest: the note is too long, or has characters that cannot be printed.

    """
    if len(note) > MOST_NOTE or clean(note) != note:
        raise InvalidRequest(
            f"note had {len(note)} characters, expected at most {MOST_NOTE} that print", pointer="/note"
        )
    return note


def make_trade(entry_id: str, day: date, kind: EntryKind, order: Order, *, note: str = "") -> Entry:
    """Return a buy or a sell.

    Raises:
        InvalidRequest: the quantity is not from 1 to MOST_SHARES, the price is 0, or the amount is over MOST_YEN.

    """
    if not 1 <= order.quantity <= MOST_SHARES:
        raise InvalidRequest(f"quantity was {order.quantity}, expected 1 to {MOST_SHARES}", pointer="/quantity")
    if order.price <= 0:
        raise InvalidRequest("price was 0, expected more", pointer="/price")
    amount = order.price * order.quantity
    if amount > MOST_YEN:
        raise InvalidRequest(f"the trade was of {format_yen(amount)} yen, expected at most {MOST_YEN:.0f}")
    return Entry(entry_id, day, kind, order.symbol, order.quantity, order.price, order.fee, amount, note)


def make_movement(
    entry_id: str, day: date, kind: EntryKind, amount: Decimal, *, symbol: str = "", note: str = ""
) -> Entry:
    """Return a movement of `amount` yen of cash.

    Raises:
        InvalidRequest: the amount is 0, or a symbol is missing, or is given for a kind without symbols.

    """
    if amount <= 0:
        raise InvalidRequest("amount was 0, expected more", pointer="/amount")
    if bool(symbol) != (kind in _OF_SYMBOL):
        if symbol:
            raise InvalidRequest(f"symbol of a {kind} was {symbol[:20]!r}, expected none", pointer="/symbol")
        raise InvalidRequest(f"symbol of a {kind} was '', expected a symbol", pointer="/symbol")
    return Entry(entry_id, day, kind, symbol, amount=amount, note=note)


def make_reversal(entry_id: str, reversed_id: str, kept: Iterable[Entry], *, note: str = "") -> Entry:
    """Return the reversal of a kept entry, on the day of that entry.

    Raises:
        NotFound: there is no such entry.
        Conflict: the entry was already reversed, or is a reversal.

    """
    entries = {entry.entry_id: entry for entry in kept}
    taken = entries.get(reversed_id)
    if taken is None:
        raise NotFound(f"entry {reversed_id} does not exist in this portfolio")
    if taken.kind is EntryKind.REVERSAL or any(entry.reverses == reversed_id for entry in entries.values()):
        raise Conflict(f"entry {reversed_id} is a reversal or has one already")
    values = (taken.symbol, taken.quantity, taken.price, taken.fee, taken.amount)
    return Entry(entry_id, taken.day, EntryKind.REVERSAL, *values, note, reversed_id)


def number_entries(new: Sequence[Entry], *, after: int) -> list[Entry]:
    """Return new entries with their places, which follow the place `after`."""
    return [replace(entry, place=after + n) for n, entry in enumerate(new, start=1)]


def in_force(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries that count, by day and place: without reversals and reversed entries."""
    reversed_ids = {entry.reverses for entry in entries if entry.reverses}
    counted = (entry for entry in entries if entry.entry_id not in reversed_ids and not entry.reverses)
    return sorted(counted, key=lambda entry: (entry.day, entry.place))
