"""The trading calendar beside that of `exchange_calendars`, day by day from 2015 to 2030."""

import warnings
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any

import jpholiday
import pytest

from kaboom.market.calendar import JST, _holidays_of, closes_at, opens_at, session_hours, sessions_between

OLD_AND_NEW = (date(2024, 11, 1), date(2024, 11, 5))
FIRST, LAST = date(2015, 1, 1), date(2030, 12, 31)
#: Days on which the two disagree about trading, and why ours is right. There are none: a day that the library learns of
#: later than we (a closure, a new holiday) is to be written here, and taken out once it has.
DISAGREE: Mapping[date, str] = {}
#: The same for hours.
OTHER_HOURS: Mapping[date, str] = {}
#: Closures that follow from no law and no year's end.
AD_HOC = {date(2020, 10, 1): "the exchange's system failed, and it stood still all day"}


@pytest.fixture(scope="module")
def oracle() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import exchange_calendars  # noqa: PLC0415  0.6 s, and it warns

        return exchange_calendars.get_calendar("XTKS", start=FIRST.isoformat(), end=LAST.isoformat())


def test_the_table_of_holidays_is_that_of_the_law() -> None:
    days = [day for year in range(1990, 2028) for day, _ in jpholiday.year_holidays(year)]
    assert [day for year in range(1990, 2028) for day in sorted(_holidays_of(year))] == sorted(days)


def test_every_session_matches_the_oracle_except_listed_ones(oracle: Any) -> None:
    theirs = {stamp.date() for stamp in oracle.sessions}
    ours = set(sessions_between(FIRST, LAST))
    assert len(ours) > 16 * 240
    # Exactly: a reason that is not needed any more fails, too.
    assert ours ^ theirs == set(DISAGREE)


def test_every_session_has_the_oracle_s_hours_but_for_those_with_a_reason(oracle: Any) -> None:
    differ = set()
    for stamp, row in oracle.schedule.iterrows():
        day = stamp.date()
        hours = session_hours(day)
        ours = (opens_at(day), _at(day, hours.am_close), _at(day, hours.pm_open), closes_at(day))
        theirs = tuple(row[name].to_pydatetime() for name in ("open", "break_start", "break_end", "close"))
        if ours != theirs:
            differ.add(day)
    assert differ == set(OTHER_HOURS)


def test_the_change_of_trading_hours_matches_the_oracle(oracle: Any) -> None:
    closes = {day: oracle.session_close(day.isoformat()).astimezone(JST).time() for day in OLD_AND_NEW}
    assert closes == {date(2024, 11, 1): time(15), date(2024, 11, 5): time(15, 30)}
    assert closes == {day: closes_at(day).astimezone(JST).time() for day in OLD_AND_NEW}


def test_only_the_closures_with_a_reason_are_neither_law_nor_year_s_end(oracle: Any) -> None:
    theirs = {stamp.date() for stamp in oracle.sessions}
    days = (date.fromordinal(n) for n in range(FIRST.toordinal(), LAST.toordinal() + 1))
    unexplained = {day for day in days if day not in theirs and not _is_closed_by_rule(day)}
    assert unexplained == set(AD_HOC)
    assert not unexplained & set(sessions_between(FIRST, LAST))


def _is_closed_by_rule(day: date) -> bool:
    is_year_end = (day.month, day.day) in {(12, 31), (1, 1), (1, 2), (1, 3)}
    return day.weekday() >= 5 or is_year_end or jpholiday.is_holiday(day)


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, JST).astimezone(UTC)
