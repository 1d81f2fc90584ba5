"""A lease keeper tells the end of its task, and that of its lease, from a loss."""

import asyncio
from contextlib import suppress

import pytest

from kaboom.errors import StoreError
from kaboom.jobs.engine.run.heartbeat import LeaseKeeper
from kaboom.jobs.model import PLAN, Chunk, Tally
from kaboom.jobs.redis.memory import MemoryJobStore
from kaboom.jobs.redis.store import Beat, ChunkRef, Claim, Lease
from tests.fixtures.jobs.jobs import make_job

pytestmark = pytest.mark.anyio


class Ended(MemoryJobStore):
    """A store in which every lease has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.has_answered = asyncio.Event()

    async def beat(self, lease: Lease, tally: Tally) -> Beat:
        self.has_answered.set()
        return Beat.LOST


class CancelledOnce(MemoryJobStore):
    """A store that says once that the job was cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = [Beat.CANCEL, Beat.OK, Beat.OK]
        self.has_answered = asyncio.Event()

    async def beat(self, lease: Lease, tally: Tally) -> Beat:
        answer = self.answers.pop(0)
        if len(self.answers) == 1:
            self.has_answered.set()
        return answer


async def claimed_in(store: MemoryJobStore) -> Claim:
    job = make_job()
    await store.put(job, [Chunk(PLAN, (), {})])
    claim = await store.claim(ChunkRef(job.queue, job.job_id, PLAN), owner="me")
    assert isinstance(claim, Claim)
    return claim


async def test_a_beat_that_crosses_the_end_of_its_lease_is_no_loss() -> None:
    store = Ended()
    claim = await claimed_in(store)
    async with LeaseKeeper(store, claim.lease, claim.chunk.tally) as keeper:
        keeper.look_often()
        with keeper.ending():
            await store.has_answered.wait()
    assert not keeper.is_lost


async def test_a_lease_whose_end_failed_can_be_lost() -> None:
    store = Ended()
    claim = await claimed_in(store)
    keeper = LeaseKeeper(store, claim.lease, claim.chunk.tally)

    async def work() -> None:
        async with keeper:
            keeper.look_often()
            with suppress(StoreError), keeper.ending():
                raise StoreError("away")
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.wait([task], timeout=20)
    assert (keeper.is_lost, task.cancelled()) == (True, True)


async def test_a_cancelled_job_stays_cancelled() -> None:
    store = CancelledOnce()
    claim = await claimed_in(store)
    async with LeaseKeeper(store, claim.lease, claim.chunk.tally) as keeper:
        keeper.look_often()
        await store.has_answered.wait()
        await asyncio.sleep(0)
        assert keeper.is_cancelled


async def test_a_task_that_is_cancelled_at_the_end_of_its_lease_ends() -> None:
    store = MemoryJobStore()
    claim = await claimed_in(store)

    async def work() -> None:
        async with LeaseKeeper(store, claim.lease, claim.chunk.tally):
            await asyncio.sleep(0)
            task.cancel()

    task = asyncio.create_task(work())
    await asyncio.wait([task])
    assert task.cancelled()
