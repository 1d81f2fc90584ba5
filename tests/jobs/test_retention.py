"""Old jobs and firings are dropped in small steps by both ledgers; what has not ended stays."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.jobs.model import Job, JobStatus
from kaboom.jobs.postgres.memory import MemoryJobHistory
from kaboom.jobs.postgres.port import PRUNE_STEP, JobHistory, JobQuery, Terms
from kaboom.jobs.postgres.postgres import PostgresJobHistory
from kaboom.schedules.model import PRUNE_STEP as FIRINGS_STEP
from kaboom.schedules.model import ScheduleStore
from kaboom.schedules.postgres import PostgresScheduleStore
from kaboom.schedules.store import MemoryScheduleStore
from tests.fixtures.jobs.jobs import OWNER, QUEUE, make_chunk, make_job
from tests.fixtures.jobs.schedules import firing_turn, make_schedule, never_ended

pytestmark = pytest.mark.anyio
DAYS = 400


@dataclass(frozen=True)
class Kept:
    """A ledger and the schedules beside it."""

    history: JobHistory
    schedules: ScheduleStore
    url: str | None


@pytest.fixture(params=["memory", "postgres"])
async def kept(request: pytest.FixtureRequest) -> AsyncIterator[Kept]:
    """Both, empty."""
    if request.param == "memory":
        history = MemoryJobHistory()
        yield Kept(history, MemoryScheduleStore(history), None)
        return
    url = request.getfixturevalue("database_url")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE jobs, idempotency_keys, schedules CASCADE")
    engine = connect_postgres(url, application_name="test", pool_size=10)
    yield Kept(PostgresJobHistory(engine), PostgresScheduleStore(engine), url)
    await engine.dispose()


async def ended(history: JobHistory, *, days_ago: float, queue: str = QUEUE) -> Job:
    """Keep a job with two chunks that ended so long ago."""
    job = (await history.admit(make_job(queue=queue), Terms("test"))).job
    await history.save_plan(job.job_id, {"session": "2025-11-04"}, [make_chunk(1), make_chunk(2)])
    at = datetime.now(UTC) - timedelta(days=days_ago)
    await history.save_final(replace(job, status=JobStatus.COMPLETED, plan={}, completed_at=at))
    return job


async def test_a_job_that_ended_long_ago_goes_with_its_chunks(kept: Kept) -> None:
    old = await ended(kept.history, days_ago=DAYS + 1)
    young = await ended(kept.history, days_ago=DAYS - 1)
    assert await kept.history.prune(QUEUE, days=DAYS) == [old.job_id]
    assert await kept.history.load(QUEUE, old.job_id) is None
    assert await kept.history.load_chunks(old.job_id) == []
    assert await kept.history.load(QUEUE, young.job_id) is not None
    assert len(await kept.history.load_chunks(young.job_id)) == 2
    assert await kept.history.prune(QUEUE, days=DAYS) == []


async def test_another_queue_is_left_alone(kept: Kept) -> None:
    await ended(kept.history, days_ago=DAYS + 1, queue="backtest")
    assert await kept.history.prune(QUEUE, days=DAYS) == []


@pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.CANCELLING])
async def test_a_job_that_has_not_ended_stays(kept: Kept, status: JobStatus) -> None:
    job = (await kept.history.admit(make_job(), Terms("test"))).job
    await kept.history.save_status(job.job_id, status)
    # Whatever time stands there.
    if kept.url is None:
        jobs = kept.history._jobs  # type: ignore[attr-defined]
        jobs[job.job_id] = replace(jobs[job.job_id], completed_at=datetime(2001, 1, 1, tzinfo=UTC))
    else:
        with psycopg.connect(kept.url, autocommit=True) as connection:
            connection.execute("UPDATE jobs SET completed_at = '2001-01-01', requested_at = '2001-01-01'")
    assert await kept.history.prune(QUEUE, days=DAYS) == []
    assert await kept.history.load(QUEUE, job.job_id) is not None


async def test_a_step_is_small_and_begins_with_the_oldest(kept: Kept) -> None:
    jobs = [await ended(kept.history, days_ago=DAYS + 1 + n) for n in range(PRUNE_STEP + 5)]
    first = await kept.history.prune(QUEUE, days=DAYS)
    assert set(first) == {job.job_id for job in jobs[5:]}
    assert len(await kept.history.prune(QUEUE, days=DAYS)) == 5


async def test_counts_and_statistics_stay_right(kept: Kept) -> None:
    for n in range(10):
        await ended(kept.history, days_ago=DAYS + 1 if n % 2 else 0)
    waiting = (await kept.history.admit(make_job(), Terms("test"))).job
    await kept.history.tidy()
    await kept.history.prune(QUEUE, days=DAYS)
    for _ in range(2):
        stats = await kept.history.stats(QUEUE)
        assert stats.by_status == {"completed": 5, "queued": 1}
        await kept.history.tidy()
    listed = await kept.history.list_jobs(JobQuery((QUEUE,), OWNER))
    assert len(listed) == 6
    assert listed[0].job_id == waiting.job_id


async def test_a_retry_outlives_its_parent(kept: Kept) -> None:
    parent = await ended(kept.history, days_ago=DAYS + 1)
    child = (await kept.history.admit(make_job(parent_id=parent.job_id), Terms("test"))).job
    assert await kept.history.prune(QUEUE, days=DAYS) == [parent.job_id]
    found = await kept.history.load(QUEUE, child.job_id)
    assert found is not None
    assert found.parent_id == parent.job_id


async def test_many_that_prune_at_once_drop_each_job_once(kept: Kept) -> None:
    jobs = [await ended(kept.history, days_ago=DAYS + 1) for _ in range(150)]
    pruned = [await asyncio.gather(*(kept.history.prune(QUEUE, days=DAYS) for _ in range(4))) for _ in range(3)]
    ids = [job_id for together in pruned for each in together for job_id in each]
    assert sorted(ids) == sorted(job.job_id for job in jobs)
    assert (await kept.history.stats(QUEUE)).by_status == {}


async def test_a_locked_job_is_passed_over(kept: Kept) -> None:
    if kept.url is None:
        pytest.skip("memory has no locks")
    held, free = [await ended(kept.history, days_ago=DAYS + n) for n in (2, 1)]
    with psycopg.connect(kept.url) as other:
        other.execute("SELECT FROM jobs WHERE job_id = %s FOR UPDATE", (held.job_id,))
        async with asyncio.timeout(3):
            assert await kept.history.prune(QUEUE, days=DAYS) == [free.job_id]


async def test_an_index_gives_the_oldest_jobs(kept: Kept) -> None:
    if kept.url is None:
        pytest.skip("memory has no index")
    with psycopg.connect(kept.url, autocommit=True) as connection:
        # Of a table that is nearly empty any other way is as cheap.
        connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
        rows = connection.execute(
            "EXPLAIN SELECT job_id FROM jobs WHERE queue = 'ingest' AND completed_at < now() - interval '400 days'"
            " AND status <> ALL('{queued,running}') ORDER BY completed_at LIMIT 100 FOR UPDATE SKIP LOCKED"
        ).fetchall()
    plan = "\n".join(row[0] for row in rows)
    assert "jobs_by_completion" in plan
    assert "Sort" not in plan


async def test_old_firings_go_and_the_schedule_stays(kept: Kept) -> None:
    schedule = await kept.schedules.add(make_schedule())
    for days in (DAYS + 2, DAYS + 1, DAYS - 1):
        due_at = datetime.now(UTC) - timedelta(days=days)
        await kept.schedules.change(
            OWNER,
            schedule.schedule_id,
            lambda s, _, due_at=due_at: replace(s, next_at=due_at),  # type: ignore[misc]
        )
        await kept.schedules.fire_due(firing_turn(), has_ended=never_ended)
    assert len(await kept.schedules.list_firings(schedule.schedule_id, limit=9)) == 3
    assert await kept.schedules.prune(days=DAYS) == 2
    assert len(await kept.schedules.list_firings(schedule.schedule_id, limit=9)) == 1
    assert await kept.schedules.prune(days=DAYS) == 0
    assert (await kept.schedules.load(OWNER, schedule.schedule_id)).name == schedule.name


async def test_firings_go_in_steps(kept: Kept) -> None:
    if kept.url is None:
        pytest.skip("rows are planted in PostgreSQL")
    schedule = await kept.schedules.add(make_schedule())
    with psycopg.connect(kept.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO schedule_firings (schedule_id, due_at, outcome, fired_at, is_manual, reason)"
            " SELECT %s, now() - interval '401 days' - n * interval '1 minute', 'skipped', now(), false, ''"
            " FROM generate_series(1, %s) AS n",
            (schedule.schedule_id, FIRINGS_STEP + 7),
        )
    assert [await kept.schedules.prune(days=DAYS) for _ in range(3)] == [FIRINGS_STEP, 7, 0]
