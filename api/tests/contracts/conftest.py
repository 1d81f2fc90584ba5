"""The job stores that the contract tests run on."""

from collections.abc import AsyncIterator

import pytest

from app.jobs.store import JobStore
from tests.fixtures.job_stores import SHORT_S, Bench, memory_bench, redis_bench


@pytest.fixture(params=["memory", "redis"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """A job store, and the hand on its clock."""
    if request.param == "memory":
        yield memory_bench()
    else:
        async with redis_bench(request.getfixturevalue("redis_url")) as made:
            yield made


@pytest.fixture(params=["memory", "redis"])
async def quick_store(request: pytest.FixtureRequest) -> AsyncIterator[JobStore]:
    """A job store whose leases and messages really run out, soon."""
    if request.param == "memory":
        yield memory_bench(lease_s=SHORT_S, dispatch_s=SHORT_S).store
    else:
        async with redis_bench(request.getfixturevalue("redis_url"), lease_s=SHORT_S, dispatch_s=SHORT_S) as made:
            yield made.store


@pytest.fixture
def job_store(bench: Bench) -> JobStore:
    """A job store."""
    return bench.store
