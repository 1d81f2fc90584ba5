"""When a daily ingest is overdue, by the calendar of 2025: 3 November was a holiday, 8 and 9 a weekend."""

from datetime import date, datetime
from typing import Any

import pytest

from kaboom.jobs.model import Job, JobStatus
from kaboom.market.calendar import JST
from kaboom.schedules.model import Schedule
from kaboom.schedules.overdue import Series, find_backfill_ages, find_overdue
from kaboom.schedules.timing import Timing, TimingKind
from tests.fixtures.jobs.schedules import MINUTELY, SESSION_AT, make_schedule

PRIME = ("TSE_PRIME", "1m")
HOUR_S = 3600.0
#: Three sessions in a row, and the one before the weekend.
DAILY = ("2025-11-04", "2025-11-05", "2025-11-06")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2025-11-{text}").replace(tzinfo=JST)


def ingested(*days: str, interval: str = "1m") -> dict[Series, set[date]]:
    return {("TSE_PRIME", interval): {date.fromisoformat(day) for day in days}}


def schedule(*, since: str = "01 12:00", at_time: str = "16:35", **values: Any) -> Schedule:
    """Return an enabled schedule of each session, as it was last changed."""
    defaults: dict[str, Any] = {"timing": Timing(TimingKind.SESSION, at_time), "updated_at": at(since)}
    return make_schedule(**(defaults | values))


class TestSomebodyIngestsDaily:
    @pytest.mark.parametrize(
        ("now", "seconds"),
        [
            ("06 23:00", 0.0),  # the newest session is there
            ("07 17:59", 0.0),  # the next one has until 18:00
            ("07 18:00", 0.0),
            ("07 19:00", HOUR_S),
            ("09 18:00", 48 * HOUR_S),  # no session on the weekend, and Friday's is still missing
            ("10 19:00", 73 * HOUR_S),  # the oldest one counts
        ],
    )
    def test_a_session_is_overdue_from_18_00(self, now: str, seconds: float) -> None:
        assert find_overdue(ingested(*DAILY), [], at(now)) == {PRIME: seconds}

    def test_it_ends_when_the_newest_session_is_there(self) -> None:
        assert find_overdue(ingested(*DAILY, "2025-11-07"), [], at("09 12:00")) == {PRIME: 0.0}
        # Friday was never ingested, and Monday was: a gap, and no reason to wake anybody.
        assert find_overdue(ingested(*DAILY, "2025-11-10"), [], at("10 20:00")) == {PRIME: 0.0}

    def test_each_series_is_its_own(self) -> None:
        done = ingested(*DAILY, "2025-11-07") | ingested(*DAILY, interval="1d")
        assert find_overdue(done, [], at("07 19:00")) == {PRIME: 0.0, ("TSE_PRIME", "1d"): HOUR_S}

    @pytest.mark.parametrize(
        "days",
        [
            (),
            ("2025-11-06",),
            ("2025-11-05", "2025-11-06"),
            ("2025-10-24", "2025-10-31", "2025-11-07"),  # every Friday
            ("2025-11-04", "2025-11-05", "2025-11-07"),
        ],
    )
    def test_three_sessions_in_a_row_make_it_daily_and_less_does_not(self, days: tuple[str, ...]) -> None:
        assert find_overdue(ingested(*days), [], at("10 20:00")) == {}

    def test_a_weekend_and_a_holiday_are_no_hole(self) -> None:
        days = ("2025-10-30", "2025-10-31", "2025-11-04")
        assert find_overdue(ingested(*days), [], at("05 19:00")) == {PRIME: HOUR_S}


class TestAScheduleIsEnabled:
    def test_it_promises_the_sessions_whose_time_comes_after_it_was_changed(self) -> None:
        assert find_overdue({}, [schedule(since="06 16:34")], at("06 19:00")) == {PRIME: HOUR_S}
        assert find_overdue({}, [schedule(since="06 16:36")], at("06 19:00")) == {PRIME: 0.0}
        assert find_overdue({}, [schedule(since="06 16:36")], at("07 19:00")) == {PRIME: HOUR_S}

    def test_one_session_that_it_ingested_is_enough(self) -> None:
        assert find_overdue(ingested("2025-11-06"), [schedule()], at("06 19:00")) == {PRIME: 0.0}
        assert find_overdue(ingested("2025-11-06"), [schedule()], at("07 19:00")) == {PRIME: HOUR_S}

    def test_a_later_hour_than_17_00_is_given_an_hour(self) -> None:
        late = schedule(at_time="20:30")
        assert find_overdue({}, [late], at("04 21:30")) == {PRIME: 0.0}
        assert find_overdue({}, [late], at("04 22:30")) == {PRIME: HOUR_S}

    @pytest.mark.parametrize("is_late_first", [True, False])
    def test_of_two_schedules_the_earlier_one_is_waited_for(self, *, is_late_first: bool) -> None:
        both = [schedule(), schedule(at_time="20:30")]
        assert find_overdue({}, both[::-1] if is_late_first else both, at("04 19:00")) == {PRIME: HOUR_S}

    def test_a_change_after_a_miss_does_not_forget_what_was_daily(self) -> None:
        changed = schedule(since="07 20:00")
        assert find_overdue(ingested(*DAILY), [changed], at("07 21:00")) == {PRIME: 3 * HOUR_S}

    @pytest.mark.parametrize(
        "values",
        [
            {"is_enabled": False},
            {"timing": MINUTELY},
            {"task": "market_data.roll_up"},
            {"request": {"intervals": {"1m": 1}, "market": "TSE_PRIME", "symbols": ["7203"]}},
            {"request": {"intervals": {"1m": 1}, "market": "FILE"}},
            {"request": {}},
            {"updated_at": None},
        ],
    )
    def test_what_is_no_daily_ingest_of_a_market_promises_nothing(self, values: dict[str, Any]) -> None:
        assert find_overdue({}, [schedule(**values)], at("07 20:00")) == {}

    def test_default_schedule_has_the_specified_times(self) -> None:
        two = schedule(timing=SESSION_AT, request={"intervals": {"1m": 1, "1d": 5}, "market": "TSE_GROWTH"})
        assert set(find_overdue({}, [two], at("07 20:00"))) == {("TSE_GROWTH", "1m"), ("TSE_GROWTH", "1d")}


class TestNightlyBackfill:
    def backfill(self, ended_at: str, *, market: str = "TSE_PRIME", **values: Any) -> Job:
        defaults: dict[str, Any] = {"status": JobStatus.COMPLETED, "plan": {"is_final": True, "session": "2025-11-04"}}
        return Job(
            job_id=ended_at,
            queue="ingest",
            task="ingest.backfill",
            owner="default",
            request={"market": market, "intervals": {"1m": 5}, **values.pop("request", {})},
            completed_at=at(ended_at),
            **(defaults | values),
        )

    def test_three_nights_are_nightly_and_the_newest_counts(self) -> None:
        jobs = [self.backfill(f"0{day} 17:40") for day in (6, 4, 5)]
        assert find_backfill_ages(jobs, at("07 17:40")) == {"TSE_PRIME": 24 * HOUR_S}

    def test_fewer_nights_were_started_by_hand(self) -> None:
        jobs = [self.backfill("04 17:40"), self.backfill("05 09:00"), self.backfill("05 17:40")]
        assert find_backfill_ages(jobs, at("07 17:40")) == {}

    @pytest.mark.parametrize(
        "values",
        [
            {"status": JobStatus.FAILED, "total": 10},
            {"request": {"symbols": ["7203"]}},
            {"request": {"dry_run": True}},
            {"market": "TSE_GROWTH"},
        ],
    )
    def test_other_jobs_are_no_night(self, values: dict[str, Any]) -> None:
        jobs = [self.backfill("04 17:40"), self.backfill("05 17:40"), self.backfill("06 17:40", **values)]
        assert find_backfill_ages(jobs, at("07 17:40")) == {}
