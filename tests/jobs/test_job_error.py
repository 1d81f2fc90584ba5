"""Why items failed, in both job stores: in the job's `error`, in its chunks, and after a Redis loss."""

from dataclasses import replace

import pytest

from kaboom.jobs.model import ChunkState, JobStatus, Tally
from kaboom.jobs.redis.store import Ending, JobStore
from tests.fixtures.jobs.job_steps import claimed, end, live, planned
from tests.fixtures.jobs.job_stores import Bench
from tests.fixtures.jobs.jobs import QUEUE, advance, make_chunk, make_job, plan_step, ref_of

pytestmark = pytest.mark.anyio
DIED = "attempts the worker was not heard of for 15 s (last: w"


async def break_off(store: JobStore, job_id: str, error: str) -> None:
    ref = ref_of(make_job(job_id=job_id), 0)
    claim = await claimed(store, ref)
    await store.end(claim.lease, Ending.BROKEN, claim.chunk.tally, error=error)


async def die(bench: Bench, job_id: str, owner: str) -> None:
    ref = ref_of(make_job(job_id=job_id), 0)
    await claimed(bench.store, ref, owner)
    await bench.lapse(ref)
    await bench.store.expire(QUEUE)


class TestError:
    async def test_completed_job_has_none(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0, 2))
        await end(job_store, ref_of(job, 0), ["ok", "no_trades"])
        assert (await live(job_store, job)).error is None

    async def test_given_up_chunk_names_its_last_error_and_counts_items(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0, 3), make_chunk(1, 2))
        await end(job_store, ref_of(job, 1), ["ok", "ok"])
        for attempt in (1, 2, 3):
            await break_off(job_store, job.job_id, f"OSError: boom {attempt}")
        found = await live(job_store, job)
        cause = "given up after 3 attempts: OSError: boom 3"
        assert found.status is JobStatus.PARTIAL
        assert found.error == {"type": "items_failed", "message": f"3 of 5 items failed; first cause: {cause}"}
        assert (await job_store.load_chunks(QUEUE, job.job_id))[0].error == cause

    async def test_failed_item_names_its_cause(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0, 2))
        claim = await claimed(job_store, ref_of(job, 0))
        tally = replace(advance(claim.chunk, ["ok", "provider_error"]), cause="7203 provider_error: 日本 502")
        await job_store.end(claim.lease, Ending.DONE, tally)
        found = await live(job_store, job)
        message = "1 of 2 items failed; first cause: 7203 provider_error: 日本 502"
        assert found.error == {"type": "items_failed", "message": message}

    async def test_given_up_chunk_comes_before_a_failed_item(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0, 2), make_chunk(1, 2))
        claim = await claimed(job_store, ref_of(job, 1))
        tally = replace(advance(claim.chunk, ["ok", "invalid"]), cause="an item")
        await job_store.end(claim.lease, Ending.DONE, tally)
        claim = await claimed(job_store, ref_of(job, 0))
        await job_store.end(claim.lease, Ending.FAILED, Tally(), error="KeyError: 'x'")
        found = await live(job_store, job)
        assert found.error
        assert found.error["message"] == "3 of 4 items failed; first cause: given up after 1 attempt: KeyError: 'x'"

    async def test_cancelled_job_has_none(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0, 3), make_chunk(1, 1))
        claim = await claimed(job_store, ref_of(job, 0))
        await job_store.cancel(QUEUE, job.job_id)
        await job_store.end(claim.lease, Ending.CANCELLED, advance(claim.chunk, ["invalid"]))
        found = await live(job_store, job)
        assert (found.status, found.failed, found.error) == (JobStatus.CANCELLED, 1, None)


class TestDeath:
    async def test_three_deaths_are_named(self, bench: Bench) -> None:
        job = await planned(bench.store, make_chunk(0, 2))
        for n in (1, 2, 3):
            await die(bench, job.job_id, f"w{n}")
        found = await live(bench.store, job)
        cause = f"given up after 3 attempts: in 3 of 3 {DIED}3)"
        assert found.error == {"type": "items_failed", "message": f"2 of 2 items failed; first cause: {cause}"}

    async def test_a_death_does_not_hide_what_was_raised(self, bench: Bench) -> None:
        job = await planned(bench.store, make_chunk(0, 2))
        await die(bench, job.job_id, "w1")
        await break_off(bench.store, job.job_id, "OSError: boom")
        await die(bench, job.job_id, "w2")
        (chunk,) = await bench.store.load_chunks(QUEUE, job.job_id)
        assert chunk.error == f"given up after 3 attempts: OSError: boom; in 2 of 3 {DIED}2)"


async def test_restored_dead_chunk_keeps_its_cause_and_its_lost_items(job_store: JobStore) -> None:
    """The ledger has the cause as the tally's."""
    dead = make_chunk(0, 3, state=ChunkState.DEAD, attempts=3)
    dead = replace(dead, tally=replace(advance(dead, ["ok"]), cause="given up after 3 attempts: OSError: boom"))
    job = make_job(status=JobStatus.RUNNING, plan={"provider": "file"})
    await job_store.put(job, [plan_step(ChunkState.DONE), dead, make_chunk(1, 1)])
    await end(job_store, ref_of(job, 1), ["ok"])
    found = await live(job_store, job)
    assert (found.status, found.done, found.failed, found.dead) == (JobStatus.PARTIAL, 2, 2, 1)
    message = "2 of 4 items failed; first cause: given up after 3 attempts: OSError: boom"
    assert found.error == {"type": "items_failed", "message": message}
    restored = (await job_store.load_chunks(QUEUE, job.job_id))[0]
    assert (restored, restored.lost) == (dead, 2)
