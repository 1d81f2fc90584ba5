"""The calendar of schedules: what each day shows, and where the listed due times end."""

from datetime import UTC, date, datetime, timedelta

from kaboom.schedules.calendar import fill_days, list_days
from kaboom.schedules.model import Firing, FiringOutcome
from kaboom.schedules.schemas import view_detail
from tests.fixtures.jobs.schedules import make_schedule

#: A Wednesday in Japan, and still Tuesday in UTC.
NOW = datetime(2026, 12, 1, 16, tzinfo=UTC)
DAYS = list_days(NOW)
MORNING = datetime(2026, 12, 1, 1, tzinfo=UTC)


def firing(at: datetime, outcome: FiringOutcome = FiringOutcome.FIRED) -> Firing:
    return Firing("0" * 32, at, outcome, at)


def test_three_weeks_around_today_in_japan_from_monday_to_sunday() -> None:
    assert (DAYS[0].on, DAYS[-1].on) == (date(2026, 11, 23), date(2026, 12, 13))
    assert [day.on for day in DAYS if day.is_today] == [date(2026, 12, 2)]
    closed = [day.on.day for day in DAYS if day.is_closed]
    assert closed == [23, 28, 29, 5, 6, 12, 13], "Labour Thanksgiving Day and weekends"


def test_a_day_shows_its_worst_outcome_and_what_is_still_due() -> None:
    # 23:30 in UTC is 08:30 of the next day in Japan.
    late = datetime(2026, 12, 1, 23, 30, tzinfo=UTC)
    later = late + timedelta(hours=2)
    passed = [firing(MORNING), firing(MORNING - timedelta(minutes=5), FiringOutcome.MISSED)]
    detail = view_detail(make_schedule(is_enabled=True, created_at=NOW, updated_at=NOW), [late, later], passed)
    cells = dict(zip((day.on for day in DAYS), fill_days(detail, DAYS, listed=(20, 5)), strict=True))
    first, second = cells[date(2026, 12, 1)], cells[date(2026, 12, 2)]
    assert (first.count, first.firing and first.firing.outcome, first.due) == (2, FiringOutcome.MISSED, None)
    assert (second.count, second.firing, second.due) == (2, None, late)
    assert all(cell.is_known for cell in cells.values())


def test_days_beyond_the_listed_due_times_are_unknown() -> None:
    passed, due = [firing(MORNING), firing(MORNING - timedelta(days=1))], [NOW, NOW + timedelta(days=2)]
    detail = view_detail(make_schedule(is_enabled=True, created_at=NOW, updated_at=NOW), due, passed)
    known = [
        day.on.day for day, cell in zip(DAYS, fill_days(detail, DAYS, listed=(2, 2)), strict=True) if cell.is_known
    ]
    assert known == [30, 1, 2, 3, 4]


def test_a_disabled_schedule_is_not_due() -> None:
    detail = view_detail(make_schedule(is_enabled=False, created_at=NOW, updated_at=NOW), [NOW], [])
    assert [cell.count for cell in fill_days(detail, DAYS, listed=(20, 5))] == [0] * 21
