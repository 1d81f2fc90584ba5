"""Due times in Japan's time: month ends, leap days, the turn of the year, holidays; and what is refused."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaboom.errors import InvalidRequest
from kaboom.market.calendar import JST, is_session, sessions_between
from kaboom.schedules.model import FiringOutcome, MissedPolicy, judge_due_time
from kaboom.schedules.timing import next_due, next_dues, parse_cron, parse_session_at
from tests.fixtures.jobs.schedules import MINUTELY, SESSION_AT, make_schedule

DAILY = parse_session_at("16:35")


def jst(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=JST)


@pytest.mark.parametrize(
    ("cron", "after", "due"),
    [
        ("35 16 * * *", "2026-11-25 16:34", "2026-11-25 16:35"),
        ("35 16 * * *", "2026-11-25 16:35", "2026-11-26 16:35"),
        ("0 0 * * *", "2026-12-31 23:59", "2027-01-01 00:00"),
        ("0 9 31 * *", "2026-01-31 09:00", "2026-03-31 09:00"),
        ("0 9 29 2 *", "2026-11-25 09:00", "2028-02-29 09:00"),
        ("0 9 L * *", "2028-02-01 09:00", "2028-02-29 09:00"),
        ("0 9 LW * *", "2026-10-31 09:00", "2026-11-30 09:00"),
        ("*/15 9-15 * * MON-FRI", "2026-11-27 15:45", "2026-11-30 09:00"),
        # Both day fields: either, as Unix has it.
        ("0 0 13 * 5", "2026-11-25 00:00", "2026-11-27 00:00"),
        ("30 0 * * *", "2026-11-25 00:29", "2026-11-25 00:30"),
    ],
)
def test_cron_is_in_japans_time(cron: str, after: str, due: str) -> None:
    found = next_due(parse_cron(cron), jst(after))
    assert found == jst(due)
    assert found is not None
    assert found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("after", "due"),
    [
        ("2026-11-25 00:00", "2026-11-25 16:35"),
        ("2026-11-25 16:34:59", "2026-11-25 16:35"),
        ("2026-11-25 16:35", "2026-11-26 16:35"),
        ("2026-11-20 17:00", "2026-11-24 16:35"),  # a weekend, then Labour Thanksgiving Day
        ("2026-12-29 17:00", "2026-12-30 16:35"),
        ("2026-12-30 17:00", "2027-01-04 16:35"),
        ("2019-04-26 17:00", "2019-05-07 16:35"),
        ("2028-02-28 17:00", "2028-02-29 16:35"),
        ("2024-11-01 17:00", "2024-11-05 16:35"),
        ("2020-09-30 17:00", "2020-10-02 16:35"),
    ],
)
def test_sessions_skip_what_is_closed(after: str, due: str) -> None:
    assert next_due(DAILY, jst(after)) == jst(due)


def test_next_due_times_are_the_sessions() -> None:
    days = sessions_between(date(2026, 12, 25), date(2027, 1, 5))
    dues = next_dues(DAILY, jst("2026-12-25 00:00"), count=len(days))
    assert [due.astimezone(JST).date() for due in dues] == list(days)


def test_beyond_the_known_holidays_there_is_no_due_time() -> None:
    last = next_due(DAILY, jst("2099-12-29 17:00"))
    assert last == jst("2099-12-30 16:35")
    assert next_due(DAILY, last) is None
    assert next_due(DAILY, jst("2150-06-01 00:00")) is None
    assert next_dues(DAILY, jst("2099-12-29 17:00"), count=5) == [last]


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "0 0 30 2 *", "x * * * *", "*/0 * * * *",
     "5-1 * * * *", "@daily", "* * * * 9L", "* * * * ²L", "1e3 * * * *"],
)  # fmt: skip
def test_an_invalid_cron_is_rejected(text: str) -> None:
    with pytest.raises(InvalidRequest, match="cron was") as refused:
        parse_cron(text)
    assert refused.value.pointer == "/cron"


@given(st.lists(st.text("0123456789*/-,#LW MONJAN", max_size=8), min_size=5, max_size=5))
def test_any_text_is_a_cron_or_refused(fields: list[str]) -> None:
    try:
        timing = parse_cron(" ".join(fields))
    except InvalidRequest:
        return
    due = next_due(timing, jst("2026-11-25 00:00"))
    assert due is None or due > jst("2026-11-25 00:00")


@pytest.mark.parametrize("text", ["", "8:00", "08:59", "24:00", "16:60", "1635", "16:35:00", "T16:3", "abcde"])
def test_an_invalid_time_or_one_before_the_open_is_rejected(text: str) -> None:
    with pytest.raises(InvalidRequest, match="expected HH:MM from 09:00 to 23:59"):
        parse_session_at(text)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1)))  # noqa: DTZ001  made aware below
def test_the_next_session_is_the_nearest(naive: datetime) -> None:
    after = naive.replace(tzinfo=UTC)
    due = next_due(DAILY, after)
    assert due is not None
    assert due > after
    day = due.astimezone(JST).date()
    assert is_session(day)
    between = sessions_between(after.astimezone(JST).date(), day - timedelta(days=1))
    # Of those before it, only today's may have passed already.
    assert all(jst(f"{earlier} 16:35") <= after for earlier in between)


class TestMissed:
    @pytest.mark.parametrize(
        ("policy", "late_h", "outcome"),
        [
            ("latest", 0.0, "fired"),
            ("latest", 5.0, "fired"),
            ("latest", 23.9, "fired"),
            ("latest", 24.0, "missed"),  # the next session's due time has come
            ("all", 24.0, "fired"),
            ("all", 72.0, "fired"),
            ("all", 72.1, "missed"),
            ("skip", 0.08, "fired"),
            ("skip", 0.09, "skipped"),
        ],
    )
    def test_a_late_due_time_is_judged_by_the_policy(self, policy: str, late_h: float, outcome: str) -> None:
        schedule = make_schedule(timing=SESSION_AT, missed=MissedPolicy(policy))
        due_at = jst("2026-11-24 16:35")
        found, reason = judge_due_time(schedule, due_at, due_at + timedelta(hours=late_h))
        assert found == outcome
        assert bool(reason) == (outcome != "fired")

    def test_the_newest_is_not_made_up_for_after_the_limit(self) -> None:
        schedule = make_schedule(timing=SESSION_AT, max_late_h=12)
        due_at = jst("2026-11-20 16:35")  # before a weekend and a holiday
        assert judge_due_time(schedule, due_at, due_at + timedelta(hours=12))[0] is FiringOutcome.FIRED
        assert judge_due_time(schedule, due_at, due_at + timedelta(hours=13)) == (
            FiringOutcome.MISSED,
            "13.0 h late; due times of at most 12 h late still fire",
        )

    def test_skip_skips_a_due_time_once_the_next_one_has_come(self) -> None:
        schedule = make_schedule(timing=MINUTELY, missed=MissedPolicy.SKIP)
        due_at = jst("2026-11-24 16:35")
        assert judge_due_time(schedule, due_at, due_at + timedelta(seconds=61))[0] is FiringOutcome.SKIPPED

    def test_a_late_firing_takes_its_own_day(self) -> None:
        due_at = jst("2026-11-24 16:35").astimezone(UTC)
        assert make_schedule(timing=SESSION_AT).request_at(due_at)["session"] == "2026-11-24"
        assert "session" not in make_schedule(timing=MINUTELY).request_at(due_at)
