"""Which dividends a portfolio is due: shares of the close before, once each."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from kaboom.market.action import Split
from kaboom.portfolio.dividends import Dividend, due_dividends
from kaboom.portfolio.entry import Entry, make_reversal
from tests.fixtures.portfolio.entries import cash, day_of, numbered, trade


def dividend(day: int, amount: str = "45") -> Dividend:
    return Dividend("7203", day_of(day), Decimal(amount))


def due(entries: list[Entry], *dividends: Dividend, splits: tuple[Split, ...] = ()) -> list[tuple[date, int, Decimal]]:
    found = due_dividends(entries, splits, dividends)
    return [(one.dividend.ex_session, one.shares, one.paid) for one in found]


BOUGHT = numbered(trade("buy", 200, "100", day=1), trade("sell", 100, "100", day=3))


@pytest.mark.parametrize(("day", "shares"), [(0, 0), (1, 0), (2, 200), (3, 200), (4, 100)])
def test_shares_of_the_close_before_are_paid(day: int, shares: int) -> None:
    assert due(BOUGHT, dividend(day)) == ([(day_of(day), shares, Decimal(45 * shares))] if shares else [])


def test_a_split_of_the_same_session_gives_no_old_shares() -> None:
    splits = (Split("7203", day_of(2), Fraction(2)), Split("6758", day_of(2), Fraction(10)))
    assert due(BOUGHT, dividend(2), splits=splits) == [(day_of(2), 200, Decimal(9000))]
    assert due(BOUGHT[:1], dividend(3), splits=splits) == [(day_of(3), 400, Decimal(18000))]


def test_what_is_booked_is_not_due_even_if_it_was_taken_back() -> None:
    booked = replace(cash("dividend", "9000", day=2, symbol="7203"), entry_id="b")
    assert due([*BOUGHT, booked], dividend(2), dividend(4)) == [(day_of(4), 100, Decimal(4500))]
    reversal = make_reversal("c", "b", [booked])
    assert due([*BOUGHT, booked, reversal], dividend(2)) == []


def test_yen_have_four_digits_and_nothing_is_not_booked() -> None:
    assert due(BOUGHT, dividend(2, "0.00000001"), dividend(4, "0.33333333")) == [(day_of(4), 100, Decimal("33.3333"))]


def test_a_trade_that_was_taken_back_was_never_paid() -> None:
    reversal = make_reversal("r", BOUGHT[0].entry_id, BOUGHT)
    assert due([BOUGHT[0], reversal], dividend(2)) == []
