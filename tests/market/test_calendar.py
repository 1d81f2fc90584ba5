"""The trading calendar: sessions, hours, grids, and what comes before and after."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from kaboom.errors import InvalidRequest
from kaboom.market.calendar import (
    JST,
    auction_stamps,
    closes_at,
    grid,
    is_session,
    last_sessions,
    latest_closed_session,
    minute_grid,
    next_session,
    opens_at,
    previous_session,
    session_hours,
    sessions_between,
)
from kaboom.market.interval import Interval

ROOT = Path(__file__).parents[2]
LAST_OLD, FIRST_NEW = date(2024, 11, 1), date(2024, 11, 5)


def wall_clock(stamps: tuple[int, ...]) -> list[str]:
    return [datetime.fromtimestamp(stamp, JST).strftime("%H:%M") for stamp in stamps]


@pytest.mark.parametrize(
    ("day", "why"),
    [
        (date(2020, 10, 1), "system failure"),
        (date(2026, 12, 31), "year end"),
        (date(2027, 1, 1), "New Year"),
        (date(2023, 1, 3), "third of January, a Tuesday"),
        (date(2026, 11, 23), "Labour Thanksgiving Day"),
        (date(2026, 9, 22), "a day between two holidays"),
        (date(2026, 11, 21), "Saturday"),
    ],
)
def test_the_exchange_is_closed(day: date, why: str) -> None:
    assert not is_session(day), why


def test_the_last_and_first_day_of_trading_of_a_year_are_sessions() -> None:
    assert is_session(date(2026, 12, 30))
    assert is_session(date(2027, 1, 4))


def test_neighbours_skip_a_long_holiday() -> None:
    # The longest closure there was: the change of emperor in 2019.
    assert next_session(date(2019, 4, 26)) == date(2019, 5, 7)
    assert previous_session(date(2019, 5, 7)) == date(2019, 4, 26)
    assert next_session(date(2026, 12, 30)) == date(2027, 1, 4)


def test_last_sessions_count_trading_days_and_end_on_or_before_the_day() -> None:
    assert last_sessions(3, date(2026, 11, 23)) == (
        date(2026, 11, 18),
        date(2026, 11, 19),
        date(2026, 11, 20),
    )
    assert last_sessions(1, date(2026, 11, 24)) == (date(2026, 11, 24),)
    assert last_sessions(0, date(2026, 11, 24)) == ()
    year = last_sessions(600, date(2026, 11, 24))
    assert len(year) == 600
    assert year == sessions_between(year[0], date(2026, 11, 24))


@pytest.mark.parametrize("count", [-1, 100_000])
def test_an_impossible_number_of_sessions_is_refused(count: int) -> None:
    with pytest.raises(InvalidRequest, match=f"was {count}"):
        last_sessions(count, date(2026, 11, 24))


def test_a_range_is_inclusive_and_may_be_empty() -> None:
    assert sessions_between(LAST_OLD, FIRST_NEW) == (LAST_OLD, FIRST_NEW)
    assert sessions_between(FIRST_NEW, LAST_OLD) == ()


def test_hours_changed_on_2024_11_05() -> None:
    assert closes_at(LAST_OLD) == datetime(2024, 11, 1, 6, 0, tzinfo=UTC)
    assert closes_at(FIRST_NEW) == datetime(2024, 11, 5, 6, 30, tzinfo=UTC)
    assert opens_at(FIRST_NEW) == datetime(2024, 11, 5, 0, 0, tzinfo=UTC)
    assert session_hours(date(2000, 1, 4)).pm_close.hour == 15


def test_the_minute_grid_holds_both_auctions_and_no_minute_without_trading() -> None:
    old, new = wall_clock(minute_grid(LAST_OLD)), wall_clock(minute_grid(FIRST_NEW))
    assert (len(old), len(new)) == (302, 327)
    assert new[:1] + new[149:153] + new[-2:] == [
        "09:00",
        "11:29",
        "11:30",
        "12:30",
        "12:31",
        "15:24",
        "15:30",
    ]
    assert old[-2:] == ["14:59", "15:00"]
    assert not {"15:25", "15:29", "11:31", "12:29"} & set(new)
    assert wall_clock(auction_stamps(FIRST_NEW)) == ["11:30", "15:30"]
    assert wall_clock(auction_stamps(LAST_OLD)) == ["11:30", "15:00"]


@pytest.mark.parametrize(("interval", "count"), [(Interval.M5, 67), (Interval.M15, 24), (Interval.H1, 7)])
def test_longer_bars_are_aligned_to_the_clock(interval: Interval, count: int) -> None:
    stamps = grid(FIRST_NEW, interval)
    assert len(stamps) == count
    assert all(stamp % interval.seconds == 0 for stamp in stamps)
    assert {stamp - stamp % interval.seconds for stamp in minute_grid(FIRST_NEW)} == set(stamps)


def test_hours_of_an_hourly_grid() -> None:
    assert wall_clock(grid(FIRST_NEW, Interval.H1)) == [f"{hour:02}:00" for hour in range(9, 16)]
    assert len(grid(LAST_OLD, Interval.H1)) == 7  # 15:00 is the old closing auction


def test_a_daily_bar_is_stamped_midnight_utc_of_its_date() -> None:
    assert grid(FIRST_NEW, Interval.D1) == (int(datetime(2024, 11, 5, tzinfo=UTC).timestamp()),)


@pytest.mark.parametrize("interval", Interval)
def test_a_closed_day_has_no_stamps(interval: Interval) -> None:
    assert grid(date(2024, 11, 4), interval) == ()


@pytest.mark.parametrize(
    ("now", "delay_s", "session"),
    [
        (datetime(2026, 11, 24, 15, 29, 59, tzinfo=JST), 0, date(2026, 11, 20)),
        (datetime(2026, 11, 24, 15, 30, tzinfo=JST), 0, date(2026, 11, 24)),
        (datetime(2026, 11, 24, 15, 30, tzinfo=JST), 1, date(2026, 11, 20)),
        (datetime(2026, 11, 24, 16, 30, tzinfo=JST), 3600, date(2026, 11, 24)),
        (datetime(2026, 11, 25, 0, 30, tzinfo=JST), 0, date(2026, 11, 24)),
        (datetime(2026, 11, 25, 0, 30, tzinfo=JST), 10 * 3600, date(2026, 11, 20)),
        (datetime(2026, 11, 24, 15, 30, tzinfo=UTC), 0, date(2026, 11, 24)),
        (datetime(2026, 11, 22, 12, tzinfo=UTC), 0, date(2026, 11, 20)),
        (datetime(2024, 11, 1, 15, 10, tzinfo=JST), 0, LAST_OLD),
        (datetime(2024, 11, 5, 15, 10, tzinfo=JST), 0, LAST_OLD),
    ],
)
def test_the_latest_closed_session(now: datetime, delay_s: float, session: date) -> None:
    assert latest_closed_session(now, delay_s=delay_s) == session


def test_a_naive_now_is_refused() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        latest_closed_session(datetime(2026, 11, 24, 15, 30))  # noqa: DTZ001  the fault under test


def test_every_grid_lies_within_its_session() -> None:
    for session in last_sessions(30, FIRST_NEW + timedelta(days=20)):
        stamps = minute_grid(session)
        assert stamps == tuple(sorted(set(stamps)))
        assert stamps[0] == opens_at(session).timestamp()
        assert stamps[-1] == closes_at(session).timestamp()


def test_the_calendar_loads_no_heavy_library() -> None:
    script = "import sys, kaboom.market.calendar; print({'numpy', 'polars', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
