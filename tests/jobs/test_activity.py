"""What queues did over time is the same from both ledgers: items by when they settled, jobs by their end and wait."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kaboom.jobs.model import ChunkState, Job, JobStatus
from kaboom.jobs.postgres.activity import Activity, ActivityQuery, follow_waits, sum_up
from kaboom.jobs.postgres.memory import MemoryJobHistory
from kaboom.jobs.postgres.port import JobHistory, Terms
from kaboom.jobs.postgres.postgres import PostgresJobHistory
from kaboom.jobs.postgres.tables import JOB_CHUNKS, JOBS
from tests.fixtures.jobs.jobs import OWNER, QUEUE, finish, make_chunk, make_job

pytestmark = pytest.mark.anyio
STEP, BINS = timedelta(minutes=15), 8
SINCE = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
QUERY = ActivityQuery((QUEUE, "market_data"), OWNER, SINCE, STEP, BINS)


def at(number: float) -> datetime:
    """Return a time in stretch `number`."""
    return SINCE + number * STEP


async def plant(
    ledger: JobHistory, begin: float, start: float | None, end: float | None, status: JobStatus, **values: object
) -> Job:
    """Put a job into the ledger that was requested, started and ended in these stretches."""
    job = (await ledger.admit(make_job(**values), Terms("test"))).job
    if isinstance(ledger, PostgresJobHistory):
        async with ledger._engine.begin() as connection:
            this = JOBS.update().where(JOBS.c.job_id == job.job_id)
            await connection.execute(this.values(requested_at=at(begin), status=status.value))
    elif isinstance(ledger, MemoryJobHistory):
        ledger._jobs[job.job_id] = replace(job, requested_at=at(begin), status=status)
    if end is None:
        return job
    if isinstance(ledger, PostgresJobHistory):
        async with ledger._engine.begin() as connection:
            await connection.execute(JOBS.update().where(JOBS.c.job_id == job.job_id).values(status="running"))
    elif isinstance(ledger, MemoryJobHistory):
        ledger._jobs[job.job_id] = replace(job, requested_at=at(begin), status=JobStatus.RUNNING)
    started_at = None if start is None else at(start)
    final = replace(
        job, status=status, started_at=started_at, completed_at=at(end), total=10, done=7, failed=3, plan={}
    )
    await ledger.save_final(final)
    return final


async def read(ledger: JobHistory, query: ActivityQuery = QUERY) -> Activity:
    found = await ledger.activity(query)
    assert list(found) == list(query.queues)
    return found[QUEUE]


async def test_jobs_count_when_they_end(ledger: JobHistory) -> None:
    for end, status in ((0.1, "completed"), (0.9, "partial"), (2.0, "completed"), (7.9, "cancelled")):
        await plant(ledger, end - 0.05, end - 0.04, end, JobStatus(status))
    await plant(ledger, -2, -2, -0.1, JobStatus.COMPLETED)
    # Of another owner, and of another queue.
    await plant(ledger, 2.1, 2.1, 2.2, JobStatus.COMPLETED, owner="another")
    await plant(ledger, 1, 1, 1.1, JobStatus.COMPLETED, queue="market_data", task="market_data.mirror")
    found = await read(ledger)
    assert found.finished == {
        "completed": [1, 0, 1, 0, 0, 0, 0, 0],
        "partial": [1, 0, 0, 0, 0, 0, 0, 0],
        "cancelled": [0, 0, 0, 0, 0, 0, 0, 1],
    }
    assert (found.settled, found.failed) == ([20, 0, 10, 0, 0, 0, 0, 10], [6, 0, 3, 0, 0, 0, 0, 3])


async def test_items_of_a_long_job_count_when_their_chunk_ended(ledger: JobHistory) -> None:
    job = (await ledger.admit(make_job(), Terms("test"))).job
    chunks = [make_chunk(n) for n in range(3)]
    await ledger.save_plan(job.job_id, {}, chunks)
    for chunk, number, outcome in zip(chunks[:2], (1.5, 4.5), ("ok", "invalid"), strict=True):
        await ledger.save_chunk(job.job_id, replace(chunk, state=ChunkState.DONE, tally=finish(chunk, outcome)))
        await set_end(ledger, job, chunk.n, at(number))
    assert (await read(ledger)).settled == [0, 4, 0, 0, 4, 0, 0, 0]
    assert (await read(ledger)).failed == [0, 0, 0, 0, 4, 0, 0, 0]
    ends = [replace(c, state=ChunkState.DONE, tally=finish(c, "invalid" if c.n == "1" else "ok")) for c in chunks]
    over = replace(job, status=JobStatus.PARTIAL, done=8, failed=4, total=12, plan={})
    await ledger.save_final(replace(over, started_at=at(1), completed_at=at(6.5)), ends)
    await set_end(ledger, job, "2", at(6.5))
    assert (await read(ledger)).settled == [0, 4, 0, 0, 4, 0, 4, 0]


async def set_end(ledger: JobHistory, job: Job, n: str, when: datetime) -> None:
    if isinstance(ledger, PostgresJobHistory):
        async with ledger._engine.begin() as connection:
            this = JOB_CHUNKS.update().where(JOB_CHUNKS.c.job_id == job.job_id, JOB_CHUNKS.c.n == int(n))
            await connection.execute(this.values(ended_at=when))
    elif isinstance(ledger, MemoryJobHistory):
        ledger._chunk_ends[job.job_id][n] = when


async def test_waiting_is_the_most_jobs_that_waited_at_once(ledger: JobHistory) -> None:
    await plant(ledger, 0.5, 2.5, 2.6, JobStatus.COMPLETED)
    await plant(ledger, 1.2, 1.8, 1.9, JobStatus.COMPLETED)
    # One after the other in the same stretch.
    await plant(ledger, 3.1, 3.3, 3.4, JobStatus.COMPLETED)
    await plant(ledger, 3.5, 3.7, 3.8, JobStatus.COMPLETED)
    # Since before the first stretch; cancelled before it began; still waiting.
    await plant(ledger, -3, 0.2, 0.3, JobStatus.COMPLETED)
    await plant(ledger, 5.1, None, 5.9, JobStatus.CANCELLED)
    await plant(ledger, 6.5, None, None, JobStatus.QUEUED)
    # Taken up at once.
    await plant(ledger, 4.0, 4.0005, 4.1, JobStatus.COMPLETED)
    await plant(ledger, 4.0, None, None, JobStatus.RUNNING)
    assert (await read(ledger)).waiting == [1, 2, 1, 1, 0, 1, 1, 1]


async def test_without_jobs_there_is_nothing(ledger: JobHistory) -> None:
    found = await read(ledger)
    assert found == Activity([0] * BINS, [0] * BINS, [0] * BINS, {})


async def test_a_running_job_is_overtaken_by_nothing_that_is_over(ledger: JobHistory) -> None:
    await plant(ledger, -9, -9, -8, JobStatus.COMPLETED)
    assert (await read(ledger)) == Activity([0] * BINS, [0] * BINS, [0] * BINS, {})


def test_waits_of_queues_do_not_mix() -> None:
    waits = [(QUEUE, at(0.1), at(1.5)), ("market_data", at(0.2), None)]
    found = sum_up(QUERY, [], [], follow_waits(QUERY, waits))
    assert found[QUEUE].waiting[:3] == [1, 1, 0]
    assert found["market_data"].waiting == [1] * BINS
