"""The counts that PostgreSQL keeps are those of its rows: through every change, at once, and while they are summed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import psycopg
import pytest

from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.jobs.model import JobStatus
from kaboom.jobs.postgres.port import Terms
from kaboom.jobs.postgres.postgres import PostgresJobHistory
from tests.fixtures.jobs.jobs import QUEUE, make_job

pytestmark = pytest.mark.anyio
OWNERS = ("ingest", "other")


@pytest.fixture
async def history(database_url: str, anyio_backend: str) -> AsyncIterator[PostgresJobHistory]:
    """An empty ledger."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE jobs CASCADE")
    engine = connect_postgres(database_url, application_name="test", pool_size=20)
    yield PostgresJobHistory(engine)
    await engine.dispose()


def rows(database_url: str, *owners: str) -> dict[str, int]:
    """Count the rows themselves."""
    with psycopg.connect(database_url) as connection:
        sql = "SELECT status, count(*) FROM jobs WHERE queue = %s AND owner = any(%s) GROUP BY 1"
        return dict(connection.execute(sql, (QUEUE, list(owners))).fetchall())


def kept(database_url: str) -> list[int]:
    """Return how many counts are summed for an answer, in this release and in the one before."""
    with psycopg.connect(database_url) as connection:
        return [
            len(connection.execute(f"SELECT FROM {table}").fetchall()) for table in ("owner_job_counts", "job_counts")
        ]


async def live_through(history: PostgresJobHistory, n: int) -> None:
    queue, owner = QUEUE if n % 5 else "backtest", OWNERS[n % 7 == 0]
    job = (await history.admit(make_job(queue=queue, owner=owner), Terms(f"request-{n}"))).job
    if n % 2:
        await history.save_plan(job.job_id, {}, [])
    if n % 3 == 0:
        await history.save_final(replace(job, status=JobStatus.PARTIAL))
    if n % 6 == 0:
        await history.delete(job.job_id)
    await history.tidy()


async def test_through_many_changes_at_once(history: PostgresJobHistory, database_url: str) -> None:
    for first in range(0, 200, 50):  # more at once would wait too long for a connection on a busy machine
        await asyncio.gather(*(live_through(history, n) for n in range(first, first + 50)))
    for _ in range(2):
        assert (await history.stats(QUEUE)).by_status == rows(database_url, *OWNERS)
        for owner in OWNERS:
            assert (await history.stats(QUEUE, owner=owner)).by_status == rows(database_url, owner)
        await history.tidy()
    assert max(kept(database_url)) <= 100


async def test_a_change_that_is_rolled_back_is_not_counted(history: PostgresJobHistory, database_url: str) -> None:
    job = (await history.admit(make_job(), Terms("request"))).job
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE jobs SET status = 'failed' WHERE job_id = %s", (job.job_id,))
        connection.rollback()
    assert (await history.stats(QUEUE)).by_status == {"queued": 1}


async def test_an_emptied_ledger_counts_nothing(history: PostgresJobHistory, database_url: str) -> None:
    await history.admit(make_job(), Terms("request"))
    with psycopg.connect(database_url) as connection:
        connection.execute("TRUNCATE jobs CASCADE")
    assert (await history.stats(QUEUE)).by_status == {}
