"""What holds for every portfolio, on random entries in any order of days, with splits."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaboom.portfolio.book import Book, Shortfall, check_new, replay
from kaboom.portfolio.csv_file import format_csv, parse_csv
from kaboom.portfolio.entry import Entry, in_force, make_reversal, number_entries
from kaboom.portfolio.history import equity_history
from kaboom.portfolio.money import ZERO
from kaboom.portfolio.postings import Account, balance, post
from kaboom.portfolio.valuation import Price, value_book
from tests.fixtures.portfolio.entries import day_of, random_entries, random_splits

SEEDS = st.integers(0, 100_000)
pytestmark = pytest.mark.timeout(120)


def balances(entries: list[Entry]) -> dict[Account, Decimal]:
    kept = {entry.entry_id: entry for entry in entries}
    return balance(post(entry, kept) for entry in entries)


@given(seed=SEEDS)
@settings(deadline=None)
def test_cash_is_what_the_ledger_says_and_all_accounts_add_up_to_zero(seed: int) -> None:
    entries, splits = random_entries(seed, splits=random_splits(seed)), random_splits(seed)
    found, book = balances(entries), replay(entries, splits)
    assert sum(found.values()) == 0
    assert found[Account.CASH] == book.cash
    assert found[Account.CAPITAL] == -book.net_deposits
    assert found[Account.INCOME] == -book.income


@given(seed=SEEDS)
@settings(deadline=None)
def test_profit_is_equity_beyond_what_was_paid_in_by_either_method(seed: int) -> None:
    splits = random_splits(seed)
    book = replay(random_entries(seed, splits=splits), splits)
    prices = {symbol: Price(Decimal(500), day_of(20), _AT, "1d", "synthetic", None) for symbol in book.positions}
    found = value_book(book, prices, splits, today=day_of(20))
    assert found.unrealised is not None
    assert found.equity is not None
    assert found.equity - book.net_deposits == book.realised + found.unrealised + book.income - book.costs
    for position in book.positions.values():
        cost_of_lots = sum((lot.cost for lot in position.lots), ZERO)
        assert position.realised - position.cost == position.realised_fifo - cost_of_lots


@given(seed=SEEDS)
@settings(deadline=None)
def test_nothing_is_ever_negative_and_lots_are_the_position(seed: int) -> None:
    splits = random_splits(seed)

    def look(book: Book, entry: Entry) -> None:
        book.apply(entry)
        assert book.cash >= 0
        for position in book.positions.values():
            assert position.quantity == sum(lot.quantity for lot in position.lots)
            assert position.quantity >= 0
            assert position.cost >= 0
            assert (position.cost == 0) or position.quantity

    replay(random_entries(seed, splits=splits), splits, apply=look)


@given(seed=SEEDS, place=st.integers(0, 29))
@settings(deadline=None)
def test_a_reversal_leaves_the_book_as_without_the_entry(seed: int, place: int) -> None:
    entries = random_entries(seed)
    taken = entries[place % len(entries)]
    new = number_entries([make_reversal(UUID(int=99).hex, taken.entry_id, entries)], after=len(entries))
    rest = [entry for entry in entries if entry is not taken]
    try:
        without = replay(rest, ())
    except Shortfall:
        with pytest.raises(Shortfall):
            check_new(entries, new, (), lot=1)
        return
    check_new(entries, new, (), lot=1)
    assert state(replay([*entries, *new], ())) == state(without)
    assert balances([*entries, *new]) == balances(rest)


@given(seed=SEEDS)
@settings(deadline=None)
def test_the_days_end_is_the_book_of_the_day(seed: int) -> None:
    splits, days = random_splits(seed), [day_of(n) for n in range(14)]
    entries = random_entries(seed, splits=splits)
    closes = {"7203": {day_of(0): Decimal(100)}, "6758": {day_of(3): Decimal(70), day_of(9): Decimal(80)}}
    for found in equity_history(entries, splits, closes, days):
        book = replay(entries, splits, until=found.day)
        assert (found.cash, found.net_deposits) == (book.cash, book.net_deposits)
        if found.value is not None and not splits:
            assert found.value == sum(book.held(symbol) * last(closes[symbol], found.day) for symbol in book.positions)


@given(seed=SEEDS)
@settings(deadline=None)
def test_a_file_brings_back_what_was_written_to_it(seed: int) -> None:
    entries = [replace(entry, note=note) for entry, note in zip(random_entries(seed), _NOTES * 9, strict=False)]
    parsed = parse_csv(format_csv(entries), lambda: "", today=day_of(30))
    assert parsed.faults == ()
    bare = [replace(entry, entry_id="", place=0) for entry in in_force(entries)]
    assert list(parsed.entries) == bare


def state(book: Book) -> tuple[object, ...]:
    held = {s: (p.quantity, p.cost, p.realised, p.realised_fifo) for s, p in book.positions.items() if p.lots}
    return book.cash, book.net_deposits, book.income, book.costs, book.realised, held


def last(closes: dict[date, Decimal], day: date) -> Decimal:
    return max(((at, close) for at, close in closes.items() if at <= day), default=(day, ZERO))[1]


_AT = datetime(2025, 11, 24, 6, 30, tzinfo=UTC)
_NOTES = ["", "=1+1", "'=1", "+81", "-1", "@SUM(A1)", 'a "b", c', "買い増し", " spaced "]
