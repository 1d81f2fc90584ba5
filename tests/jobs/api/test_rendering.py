"""A page that is put together from texts says what the model would say."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from kaboom.jobs.api.job_list import JobWriter
from kaboom.jobs.api.view import JobPage, view_job
from kaboom.jobs.model import Job, JobStatus
from kaboom.jobs.redis.workers import Worker
from tests.fixtures.jobs.jobs import make_job

AT = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)
#: As psycopg reads it.
IN_DATABASE = datetime(2026, 11, 24, 6, 30, 1, 20, tzinfo=ZoneInfo("UTC"))
WORKERS = [Worker("w1", AT, 4)]


def ended() -> Job:
    job = make_job(status=JobStatus.COMPLETED, requested_at=AT, started_at=AT, completed_at=AT, total=3, done=3)
    return replace(job, plan={"session": "2026-11-24", "名": '"\\'}, outcomes={"ok": 3})


@pytest.mark.parametrize(("cursor", "back_to"), [(None, None), ('eyJ"', None), ("eyJ", AT), ("eyJ", IN_DATABASE)])
def test_a_page_is_as_the_model_writes_it_the_second_time_too(cursor: str | None, back_to: datetime | None) -> None:
    jobs, writer = (
        [make_job(), ended(), make_job(status=JobStatus.RUNNING, requested_at=AT, version=3)],
        JobWriter(),
    )
    views = [view_job(job, workers=WORKERS) for job in jobs]
    wanted = JobPage(items=views, next_cursor=cursor, searched_back_to=back_to)
    for _ in range(2):
        text = writer.write_page(
            [(job, frozenset()) for job in jobs], WORKERS, next_cursor=cursor, searched_back_to=back_to
        )
        assert text == wanted.model_dump_json()


def test_no_job_is_a_page() -> None:
    assert JobWriter().write_page([], [], next_cursor=None) == '{"items":[],"next_cursor":null,"searched_back_to":null}'


def test_what_changes_is_written_anew() -> None:
    running, writer = make_job(status=JobStatus.RUNNING, version=1), JobWriter()
    before = writer.write_page([(running, frozenset())], [], next_cursor=None)
    assert writer.write_page([(running, frozenset())], WORKERS, next_cursor=None) != before
    job = ended()
    first = writer.write_page([(job, frozenset())], [], next_cursor=None)
    assert writer.write_page([(replace(job, done=2, failed=1), frozenset())], [], next_cursor=None) != first


def test_only_so_many_are_remembered() -> None:
    writer = JobWriter()
    for _ in range(1_005):
        writer.write_page([(ended(), frozenset())], [], next_cursor=None)
    assert len(writer._written) == 1_000
