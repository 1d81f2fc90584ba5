"""Jobs by their end, from which lost results are written again: PostgreSQL and its memory twin agree."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kaboom.jobs.model import Job, JobStatus
from kaboom.jobs.postgres.port import JobHistory, Terms
from tests.fixtures.jobs.jobs import QUEUE, make_job

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC)


async def ended(ledger: JobHistory, hours: int, **values: object) -> Job:
    """Accept a job and end it some hours ago."""
    job = (await ledger.admit(make_job(**values), Terms("test"))).job
    end = replace(job, status=JobStatus.FAILED, completed_at=NOW - timedelta(hours=hours), failed=1)
    kept = await ledger.save_final(end)
    assert kept is not None
    return kept


async def test_the_ends_of_a_queue_oldest_first(ledger: JobHistory) -> None:
    newer, older = await ended(ledger, 1), await ended(ledger, 2, owner="somebody")
    await ended(ledger, 30)
    await ended(ledger, 1, queue="backtest")
    await ledger.admit(make_job(), Terms("test"))
    assert await ledger.recent_ends(QUEUE, since=NOW - timedelta(hours=24)) == [older, newer]


async def test_pages_hold_each_end_once(ledger: JobHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("memory", "postgres"):
        monkeypatch.setattr(f"kaboom.jobs.postgres.{module}.ENDED_PAGE", 2)
    # Two at one instant: the id decides.
    jobs = [await ended(ledger, hours) for hours in (5, 4, 3, 3, 1)]
    seen: list[str] = []
    place = None
    while page := await ledger.recent_ends(QUEUE, since=NOW - timedelta(hours=24), after=place):
        assert len(page) <= 2
        seen += [job.job_id for job in page]
        place = (page[-1].completed_at or NOW, page[-1].job_id)
    assert sorted(seen) == sorted(job.job_id for job in jobs)
    assert seen[:2] + seen[-1:] == [jobs[0].job_id, jobs[1].job_id, jobs[4].job_id]
