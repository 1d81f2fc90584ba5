"""Double entry: the amounts that an entry posts to accounts. The postings of an entry add up to zero."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum

from kaboom.portfolio.entry import Entry, EntryKind
from kaboom.portfolio.money import ZERO


class Account(StrEnum):
    """The accounts, in yen; cash and securities that are held are positive."""

    CASH = "cash"
    #: Deposits less withdrawals, negative.
    CAPITAL = "capital"
    #: Securities at the prices they were traded at: bought minus sold, without fees.
    SECURITIES = "securities"
    INCOME = "income"
    FEES = "fees"
    TAXES = "taxes"


#: The account on the other side of cash.
_OTHER: Mapping[EntryKind, Account] = {
    EntryKind.DEPOSIT: Account.CAPITAL,
    EntryKind.WITHDRAWAL: Account.CAPITAL,
    EntryKind.DIVIDEND: Account.INCOME,
    EntryKind.INTEREST: Account.INCOME,
    EntryKind.FRACTION: Account.INCOME,
    EntryKind.FEE: Account.FEES,
    EntryKind.TAX: Account.TAXES,
}
_OUT = frozenset({EntryKind.BUY, EntryKind.WITHDRAWAL, EntryKind.FEE, EntryKind.TAX})


def post(entry: Entry, kept: Mapping[str, Entry]) -> dict[Account, Decimal]:
    """Return the yen that an entry posts to each account; `kept` has the entries by id, for reversals."""
    if entry.kind is EntryKind.REVERSAL:
        return {account: -amount for account, amount in post(kept[entry.reverses], kept).items()}
    moved = -entry.amount if entry.kind in _OUT else entry.amount
    posted = {Account.CASH: moved - entry.fee, _OTHER.get(entry.kind, Account.SECURITIES): -moved}
    if entry.fee:
        posted[Account.FEES] = entry.fee
    return posted


def balance(posted: Iterable[Mapping[Account, Decimal]]) -> dict[Account, Decimal]:
    """Return the balance of every account after all postings."""
    totals = dict.fromkeys(Account, ZERO)
    for each in posted:
        for account, amount in each.items():
            totals[account] += amount
    return totals
