"""Trades, splits and cash of one portfolio, with numbers that a person can check."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from kaboom.errors import Conflict, InvalidRequest, NotFound
from kaboom.market.action import CorporateAction, Split, splits_of
from kaboom.portfolio.book import OddLot, Shortfall, check_new, replay
from kaboom.portfolio.entry import (
    Entry,
    EntryKind,
    Order,
    check_day,
    make_movement,
    make_reversal,
    make_trade,
    number_entries,
)
from kaboom.portfolio.money import format_yen, parse_yen
from tests.fixtures.portfolio.entries import cash, day_of, numbered, trade

BUYS = (
    cash("deposit", "1000000"),
    trade("buy", 100, "1000", fee="100", day=1),
    trade("buy", 100, "2000", fee="200", day=2),
)


def test_a_sell_realises_by_average_and_by_fifo() -> None:
    book = replay(numbered(*BUYS, trade("sell", 100, "3000", fee="300", day=3)), ())
    position = book.positions["7203"]
    # Cost: 300,300 yen for 200 shares; the first lot cost 100,100.
    assert (position.realised, position.realised_fifo) == (Decimal(149_550), Decimal(199_600))
    assert (position.quantity, position.cost, position.average_cost) == (100, Decimal(150_150), Decimal("1501.5"))
    assert [(lot.bought_on, lot.quantity, lot.cost) for lot in position.lots] == [(day_of(2), 100, Decimal(200_200))]
    assert book.cash == Decimal(1_000_000 - 300_300 + 299_700)


def test_cost_that_does_not_divide_is_not_lost() -> None:
    entries = numbered(cash("deposit", "1000"), trade("buy", 3, "33.3333"), *[trade("sell", 1, "40")] * 3)
    position = replay(entries, ()).positions["7203"]
    assert position.realised == position.realised_fifo == Decimal(120) - Decimal("99.9999")


def test_a_split_counts_before_the_trades_of_its_ex_session() -> None:
    split = Split("7203", day_of(3), Fraction(2))
    entries = numbered(*BUYS, trade("sell", 400, "800", day=3))
    assert replay(entries, [split]).held("7203") == 0
    with pytest.raises(Shortfall, match="7203 would be short on 2025-11-07: 400 sold, 200 held"):
        replay(entries, [Split("7203", day_of(4), Fraction(2))])


def test_a_reverse_split_drops_the_fraction_and_keeps_its_cost() -> None:
    entries = numbered(cash("deposit", "1000000"), *[trade("buy", 5, "100")] * 3)
    position = replay(entries, [Split("7203", day_of(1), Fraction(1, 10))]).positions["7203"]
    assert (position.quantity, position.cost) == (1, Decimal(1500))
    assert [(lot.quantity, lot.cost) for lot in position.lots] == [
        (0, Decimal(500)),
        (1, Decimal(500)),
        (0, Decimal(500)),
    ]
    sold = replay(
        [*entries, *number_entries([trade("sell", 1, "900", day=2)], after=9)],
        [Split("7203", day_of(1), Fraction(1, 10))],
    )
    assert sold.positions["7203"].realised == sold.positions["7203"].realised_fifo == Decimal(-600)


def test_a_position_of_less_than_one_share_is_a_loss() -> None:
    book = replay(numbered(*BUYS), [Split("7203", day_of(5), Fraction(1, 1000))])
    position = book.positions["7203"]
    assert (position.quantity, position.cost, position.lots) == (0, Decimal(0), ())
    assert position.realised == position.realised_fifo == Decimal(-300_300)


def test_corporate_actions_that_are_no_ratio_of_shares_are_left_out() -> None:
    actions = [
        CorporateAction("7203", day_of(1), 0.333333),
        CorporateAction("7203", day_of(0), 10.0),
        CorporateAction("7203", day_of(2), 0.9437),
    ]
    assert splits_of(actions) == (Split("7203", day_of(0), Fraction(1, 10)), Split("7203", day_of(1), Fraction(3)))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([cash("withdrawal", "1000000.0001", day=5)], "cash would be -300300.0001 yen on 2025-11-09"),
        ([cash("fee", "1")], None),
        ([cash("withdrawal", "699701", day=0)], "cash would be -1 yen on 2025-11-06"),
        ([trade("sell", 100, "10", day=0)], "7203 would be short on 2025-11-04: 100 sold, 0 held"),
        ([trade("sell", 100, "10", fee="701000", day=5)], "cash would be -300 yen on 2025-11-09"),
    ],
)
def test_cash_and_positions_are_never_negative_on_any_day(entries: list[Entry], message: str | None) -> None:
    kept = numbered(*BUYS)
    new = number_entries(entries, after=len(kept))
    if message is None:
        check_new(kept, new, (), lot=100)
        assert replay([*kept, *new], ()).cash == Decimal(699_699)
        return
    with pytest.raises(Shortfall, match=message):
        check_new(kept, new, (), lot=100)


def test_trades_are_of_whole_lots_but_odd_shares_can_be_sold_off() -> None:
    kept = numbered(*BUYS)
    splits = [Split("7203", day_of(3), Fraction(5, 4))]
    for bad in (trade("buy", 150, "10", day=4), trade("sell", 40, "10", day=4)):
        with pytest.raises(OddLot, match="expected a multiple of 100"):
            check_new(kept, number_entries([bad], after=3), splits, lot=100)
    for quantity in (50, 150, 250):
        new = number_entries([trade("sell", quantity, "10", day=4)], after=3)
        check_new(kept, new, splits, lot=100)
        assert replay([*kept, *new], splits).held("7203") == 250 - quantity
    # What was booked under other splits is not judged again.
    check_new(numbered(*BUYS, trade("sell", 40, "1", day=3)), [replace(BUYS[1], place=9)], (), lot=100)


def test_other_symbols_need_no_splits_to_check_new_entries() -> None:
    kept = numbered(*BUYS, trade("sell", 400, "800", day=3))
    dividend = replace(cash("dividend", "5", symbol="6758"), place=9)
    check_new(kept, [dividend], (), lot=100)
    with pytest.raises(Shortfall, match="cash would be -1 yen"):
        check_new(kept, [replace(cash("tax", "1019701", day=3), place=9)], (), lot=100)
    with pytest.raises(Shortfall, match="7203 would be short"):
        check_new(kept, [replace(BUYS[1], place=9, day=day_of(4))], (), lot=100)


def test_a_reversal_takes_back_one_entry_once() -> None:
    kept = numbered(*BUYS)
    reversal = make_reversal("r", kept[2].entry_id, kept, note="typed twice")
    after = [*kept, *number_entries([reversal], after=3)]
    assert replay(after, ()).cash == Decimal(899_900)
    for wrong in (kept[2].entry_id, "r"):
        with pytest.raises(Conflict, match="is a reversal or has one already"):
            make_reversal("s", wrong, after)
    with pytest.raises(NotFound, match="entry nothing does not exist in this portfolio"):
        make_reversal("s", "nothing", after)


@pytest.mark.parametrize("text", ["", "-1", "1e3", "1.23456", "1,000", "\uff11", " 1", "10000000000001", "NaN"])
def test_amounts_are_plain_decimals(text: str) -> None:
    with pytest.raises(InvalidRequest, match="expected yen from 0 to 10000000000000"):
        parse_yen(text, field="fee")


def test_amounts_are_written_without_trailing_zeros() -> None:
    amounts = ["2841.5000", "100.0000", "300000", "-0.0000", "1E+3", "-7.2500"]
    assert [format_yen(Decimal(a)) for a in amounts] == ["2841.5", "100", "300000", "0", "1000", "-7.25"]


def test_entries_that_mean_nothing_are_refused() -> None:
    day, one = day_of(0), Decimal(1)
    with pytest.raises(InvalidRequest, match="quantity was 0"):
        make_trade("", day, EntryKind.BUY, Order("7203", 0, one))
    with pytest.raises(InvalidRequest, match="price was 0"):
        make_trade("", day, EntryKind.BUY, Order("7203", 1, Decimal(0)))
    with pytest.raises(InvalidRequest, match="expected at most 10000000000000"):
        make_trade("", day, EntryKind.BUY, Order("7203", 10**9, Decimal(10_001)))
    assert make_trade("", day, EntryKind.BUY, Order("7203", 10**9, Decimal(10_000))).amount == Decimal(10) ** 13
    with pytest.raises(InvalidRequest, match="amount was 0"):
        make_movement("", day, EntryKind.DEPOSIT, Decimal(0))
    with pytest.raises(InvalidRequest, match="symbol of a dividend was '', expected a symbol"):
        make_movement("", day, EntryKind.DIVIDEND, one)
    with pytest.raises(InvalidRequest, match="symbol of a deposit was '7203', expected none"):
        make_movement("", day, EntryKind.DEPOSIT, one, symbol="7203")
    with pytest.raises(InvalidRequest, match="today in Japan"):
        check_day(day_of(1), today=day)
