"""What portfolios are worth: closes of before a split, closes that are missing, and the history by day."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

from kaboom.market.action import Split
from kaboom.portfolio.book import replay
from kaboom.portfolio.history import equity_history
from kaboom.portfolio.valuation import Price, value_book
from tests.fixtures.portfolio.entries import cash, day_of, numbered, trade

ENTRIES = numbered(cash("deposit", "1000000"), trade("buy", 100, "3000", fee="100", day=1))
SPLIT = Split("7203", day_of(3), Fraction(3))


def price(close: str, day: int) -> Price:
    return Price(
        Decimal(close), day_of(day), datetime(2025, 11, 4, 6, 30, tzinfo=UTC), "1d", "synthetic", is_final=True
    )


def test_a_close_of_before_a_split_counts_for_the_new_shares() -> None:
    book = replay(ENTRIES, [SPLIT])
    before = value_book(book, {"7203": price("3300", 2)}, [SPLIT], today=day_of(3))
    after = value_book(book, {"7203": price("1100", 3)}, [SPLIT], today=day_of(3))
    assert before.value == after.value == Decimal(330_000)
    assert (after.equity, after.unrealised, after.cost) == (Decimal(1_029_900), Decimal(29_900), Decimal(300_100))


def test_a_split_that_is_to_come_changes_nothing_yet() -> None:
    book = replay(ENTRIES, [SPLIT], until=day_of(2))
    assert value_book(book, {"7203": price("3300", 2)}, [SPLIT], today=day_of(2)).value == Decimal(330_000)


def test_a_position_without_a_close_has_no_value_rather_than_none() -> None:
    found = value_book(replay(ENTRIES, ()), {}, (), today=day_of(3))
    assert (found.value, found.equity, found.unrealised, found.unpriced) == (None, None, None, ["7203"])
    assert value_book(replay(ENTRIES[:1], ()), {}, (), today=day_of(3)).equity == Decimal(1_000_000)


def test_history_values_positions_at_the_last_close_of_each_day() -> None:
    closes = {"7203": {day_of(2): Decimal(3300), day_of(4): Decimal(1200)}}
    found = list(equity_history(ENTRIES, [SPLIT], closes, [day_of(n) for n in range(5)]))
    cash_left = Decimal(699_900)
    assert [(day.cash, day.value, day.stale) for day in found] == [
        (Decimal(1_000_000), Decimal(0), 0),
        (cash_left, None, 1),
        (cash_left, Decimal(330_000), 0),
        (cash_left, Decimal(330_000), 1),
        (cash_left, Decimal(360_000), 0),
    ]
    assert [day.equity for day in found][1:3] == [None, Decimal(1_029_900)]
