"""Sums of minutes: exact, aligned to the clock, and of good minutes alone."""

from datetime import date

import pytest

from kaboom.market.calendar import grid
from kaboom.market.interval import Interval
from kaboom.market.outcome import Outcome, SymbolOutcome
from kaboom.providers.base import FetchedBars
from kaboom.providers.rows import lengthen, sum_minutes
from tests.fixtures.bars.raw_bars import SESSIONS, clean_session, raw_bar, raw_frame

DAY = SESSIONS[0]
GRID = grid(DAY, Interval.M1)
NOT_LISTED = SymbolOutcome("1301", Outcome.NOT_LISTED)
LONGER = [interval for interval in Interval if interval.is_intraday and interval is not Interval.M1]


@pytest.mark.parametrize("interval", LONGER)
def test_a_full_day_fills_the_grid(interval: Interval) -> None:
    bars = sum_minutes(raw_frame(reversed(clean_session("7203", DAY))), [DAY], interval)
    assert tuple(bars["opened_at"].dt.epoch("s")) == grid(DAY, interval)
    assert bars["volume"].sum() == len(GRID) * DAY.day * 100


def test_open_is_the_first_and_close_the_last_whatever_the_order() -> None:
    rows = [raw_bar("7203", GRID[n], price) for n, price in ((2, 11.0), (0, 12.0), (1, 9.0))]
    (bar,) = sum_minutes(raw_frame(rows), [DAY], Interval.M5).rows(named=True)
    assert (bar["open"], bar["high"], bar["low"], bar["close"], bar["volume"]) == (12.0, 12.0, 9.0, 11.0, 300.0)


def test_a_minute_that_comes_twice_counts_once() -> None:
    rows = [raw_bar("7203", GRID[0], 10.0), raw_bar("7203", GRID[0], 11.0)]
    (bar,) = sum_minutes(raw_frame(rows), [DAY], Interval.M5).rows(named=True)
    assert (bar["close"], bar["volume"]) == (11.0, 100.0)


def test_a_bar_lacks_what_one_of_its_minutes_lacks() -> None:
    rows = [raw_bar("7203", GRID[0], volume=None), raw_bar("7203", GRID[1], None), raw_bar("7203", GRID[5])]
    first, second = sum_minutes(raw_frame(rows), [DAY], Interval.M5).rows(named=True)
    assert [first[name] for name in ("open", "high", "low", "close", "volume")] == [None] * 5
    assert second["volume"] == 100


@pytest.mark.parametrize("off_s", [-60, 30, 9 * 3600])
def test_minutes_off_the_grid_are_in_no_sum(off_s: int) -> None:
    good = raw_bar("7203", GRID[0], 10.0)
    bars = sum_minutes(raw_frame([good, raw_bar("7203", GRID[0] + off_s, 99.0)]), [DAY], Interval.H1)
    assert bars["high"].to_list() == [10.0]


def test_minutes_of_a_session_that_was_not_asked_for_are_in_no_sum() -> None:
    rows = clean_session("7203", SESSIONS[1])
    assert sum_minutes(raw_frame(rows), [DAY], Interval.H1).is_empty()


def test_where_every_minute_is_off_the_symbol_is_invalid() -> None:
    rows = [raw_bar("7203", GRID[0] + 9 * 3600), *clean_session("6758", DAY)]
    answer = lengthen(FetchedBars(raw_frame(rows), {"1301": NOT_LISTED}), [DAY], Interval.M5)
    assert set(answer.bars["symbol"]) == {"6758"}
    assert answer.outcomes["1301"] is NOT_LISTED
    assert answer.outcomes["7203"].outcome is Outcome.INVALID
    message = "all 1 minutes were outside the sessions' hours, the first at 2026-11-13 09:00"
    assert message in answer.outcomes["7203"].message


@pytest.mark.parametrize("interval", [Interval.M1, Interval.D1])
def test_minutes_and_days_stay_as_they_came(interval: Interval) -> None:
    answer = FetchedBars(raw_frame([raw_bar("7203", GRID[0] + 9 * 3600)]))
    assert lengthen(answer, [DAY], interval) is answer


def test_before_the_change_of_hours_the_close_was_at_three() -> None:
    day = date(2024, 11, 1)
    bars = sum_minutes(raw_frame(clean_session("7203", day)), [day], Interval.H1)
    assert tuple(bars["opened_at"].dt.epoch("s")) == grid(day, Interval.H1)
