"""Splits guessed from bars: those that no ordinary morning could bring, and no others."""

from typing import Any

import pytest

from kaboom.bars.actions.detect import suspect_splits
from kaboom.bars.quality.checks import check_bars
from kaboom.market.action import CorporateAction
from kaboom.market.calendar import grid
from kaboom.market.interval import Interval
from tests.fixtures.bars.raw_bars import SESSIONS, asking, clean_session, raw_bar, raw_frame

FIRST, SECOND = SESSIONS


def suspected(rows: list[dict[str, Any]], *, is_tse: bool = True, **asked: Any) -> tuple[CorporateAction, ...]:
    context = asking(**asked)
    return suspect_splits(check_bars(raw_frame(rows), context).bars, context.previous_closes, is_tse=is_tse)


@pytest.mark.parametrize(
    ("before", "after", "factor"),
    [(3000.0, 1500.0, 0.5), (3030.0, 1010.0, 1 / 3), (2990.0, 2000.0, 2 / 3), (1010.0, 10100.0, 10.0)],
)
def test_a_jump_beyond_the_limit_is_suspect_with_the_nearest_factor(before: float, after: float, factor: float) -> None:
    for off in (0.98, 1.0, 1.02):
        rows = clean_session("7203", FIRST, price=before) + clean_session("7203", SECOND, price=after * off)
        (found,) = suspected(rows)
        assert (found.symbol, found.ex_session) == ("7203", SECOND)
        assert found.factor == pytest.approx(factor)


def test_the_close_before_the_first_session_is_used() -> None:
    rows = clean_session("7203", FIRST, price=1500.0) + clean_session("9984", FIRST, price=1500.0)
    found = suspected(rows, symbols=["7203", "9984"], sessions=[FIRST], previous_closes={"7203": 3000.0})
    assert [(action.symbol, action.factor) for action in found] == [("7203", 0.5)]


@pytest.mark.parametrize("after", [60.0, 62.0])
def test_a_move_within_the_daily_limit_is_no_split(after: float) -> None:
    # 30 yen up or down are allowed from 90 yen: 60 is a flagged third off, and an ordinary bad day.
    rows = [raw_bar("7203", grid(day, Interval.D1)[0], price) for day, price in ((FIRST, 90.0), (SECOND, after))]
    assert suspected(rows, interval=Interval.D1) == ()
    assert len(suspected(rows, interval=Interval.D1, is_tse=False)) == (after == 60.0)


def test_an_ordinary_day_is_no_split() -> None:
    assert suspected(clean_session("7203", FIRST) + clean_session("7203", SECOND)) == ()
