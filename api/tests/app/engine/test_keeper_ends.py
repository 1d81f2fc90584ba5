"""A lease keeper does not swallow that its task is to end."""

import asyncio

import pytest

from app.engine.run.keeper import LeaseKeeper
from app.jobs.model import PLAN, Chunk
from app.live.memory import MemoryJobStore
from app.live.store import ChunkRef, Claim
from tests.fixtures.jobs.jobs import make_job

pytestmark = pytest.mark.anyio


async def test_a_task_that_is_cancelled_at_the_end_of_its_lease_ends() -> None:
    store, job = MemoryJobStore(), make_job()
    await store.put(job, [Chunk(PLAN, (), {})])
    claim = await store.claim(ChunkRef(job.queue, job.job_id, PLAN), owner="me")
    assert isinstance(claim, Claim)

    async def work() -> None:
        async with LeaseKeeper(store, claim.lease, claim.chunk.tally):
            await asyncio.sleep(0)
            task.cancel()

    task = asyncio.create_task(work())
    await asyncio.wait([task])
    assert task.cancelled()
