"""The job stores and ledgers that the contract tests run on."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.jobs.postgres.memory import MemoryJobHistory
from kaboom.jobs.postgres.port import JobHistory
from kaboom.jobs.postgres.postgres import PostgresJobHistory
from kaboom.jobs.redis.store import JobStore
from tests.fixtures.jobs.job_stores import SHORT_S, Bench, memory_bench, redis_bench


@pytest.fixture(params=["memory", "redis"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """A job store, and the hand on its clock."""
    if request.param == "memory":
        yield memory_bench()
    else:
        async with redis_bench(request.getfixturevalue("redis_url")) as made:
            yield made


@pytest.fixture(params=["memory", "redis"])
async def quick_bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """A job store whose leases and messages really run out, soon."""
    if request.param == "memory":
        yield memory_bench(lease_s=SHORT_S, dispatch_s=SHORT_S)
    else:
        async with redis_bench(request.getfixturevalue("redis_url"), lease_s=SHORT_S, dispatch_s=SHORT_S) as made:
            yield made


@pytest.fixture
def quick_store(quick_bench: Bench) -> JobStore:
    """The store of `quick_bench`."""
    return quick_bench.store


@pytest.fixture
def job_store(bench: Bench) -> JobStore:
    """A job store."""
    return bench.store


@pytest.fixture(params=["memory", "postgres"])
async def ledger(request: pytest.FixtureRequest) -> AsyncIterator[JobHistory]:
    """An empty job ledger."""
    if request.param == "memory":
        yield MemoryJobHistory()
        return
    url = request.getfixturevalue("database_url")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE jobs, idempotency_keys, webhook_deliveries CASCADE")
    engine = connect_postgres(url, application_name="test", pool_size=20)
    history = PostgresJobHistory(engine)
    yield history
    await engine.dispose()
