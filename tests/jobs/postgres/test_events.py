"""The events of a job's end: when it was, what it found, and nothing about messages."""

from datetime import UTC, datetime, timedelta

from kaboom.jobs.model import JobStatus
from kaboom.jobs.postgres.events import MOST_TEXT, events_of_end
from tests.fixtures.jobs.jobs import make_job

T0 = datetime(2025, 11, 4, 7, tzinfo=UTC)


def test_an_end_has_the_time_of_the_job_and_not_of_who_reports_it() -> None:
    later = T0 + timedelta(hours=3)
    (event,) = events_of_end(make_job(status=JobStatus.COMPLETED, completed_at=T0), later)
    assert event.at == T0
    (event,) = events_of_end(make_job(status=JobStatus.COMPLETED), later)
    assert event.at == later


def test_each_count_is_an_event_and_an_error_is_cut() -> None:
    counts = {"quarantined": 2, "corrected": 1, "actions_suspected": 0, "flag_stale": 9}
    error = {"type": "x", "message": "e" * 999}
    ended, *counted = events_of_end(make_job(status=JobStatus.FAILED, error=error, counts=counts), T0)
    assert ended.data["error"] == "e" * MOST_TEXT
    assert [(event.kind.value, event.data["count"]) for event in counted] == [
        ("bars_corrected", 1),
        ("bars_quarantined", 2),
    ]


def test_a_job_that_sends_messages_has_no_event() -> None:
    assert events_of_end(make_job(queue="notifications", task="notifications.deliver"), T0) == []
