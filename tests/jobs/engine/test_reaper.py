"""What the reaper repairs: lost stores, lost messages, lost workers, ends that nobody wrote down."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kaboom.errors import StoreError
from kaboom.jobs.engine import reaper
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.reaper import Reaper
from kaboom.jobs.engine.run.worker import perform
from kaboom.jobs.engine.settle import settle_job
from kaboom.jobs.model import Chunk, ChunkState, Job, JobStatus, Tally
from kaboom.jobs.postgres.port import Terms
from kaboom.jobs.redis.memory import MemoryJobStore
from kaboom.jobs.redis.store import Beat, Claim, Ending
from tests.fixtures.jobs.job_runs import assert_agree, in_ledger, in_store, messages, submit, work_off
from tests.fixtures.jobs.job_stores import bench_of
from tests.fixtures.jobs.jobs import advance, finish, make_chunk, make_job, plan_step, ref_of
from tests.fixtures.workers.handlers import SCRIPT, planning

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("scripted")]


async def old_job(parts: Parts) -> Job:
    """Submit a job, and have it accepted long enough ago for the reaper to look at it."""
    job = await submit(parts)
    history = parts.history
    history._jobs[job.job_id] = replace(job, requested_at=datetime.now(UTC) - timedelta(minutes=1))  # type: ignore[attr-defined]
    return job


async def planned_job(parts: Parts) -> Job:
    """Return such a job with three chunks, the first one done, and no message waiting."""
    job = await old_job(parts)
    assert await perform(parts, messages(parts)[0]) == "planned"
    assert await perform(parts, messages(parts)[0]) == "done"
    return job


def lose_everything(parts: Parts) -> Parts:
    """Return the parts with an empty store, and without messages."""
    messages(parts)
    return replace(parts, store=MemoryJobStore())


def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the reaper see ten unfinished jobs at a time."""
    for module in ("kaboom.jobs.postgres.memory", "kaboom.jobs.engine.reaper"):
        monkeypatch.setattr(f"{module}.UNFINISHED_PAGE", 10)


class TestRestore:
    async def test_after_a_total_loss_a_job_goes_on_and_what_was_done_is_not_done_again(self, parts: Parts) -> None:
        job = await planned_job(parts)
        parts = lose_everything(parts)
        await Reaper(parts).sweep()
        restored = await in_store(parts, job)
        assert (restored.status, restored.done, restored.chunks_done) == (JobStatus.RUNNING, 4, 1)
        assert await work_off(parts) == ["done", "done"]
        kept, chunks = await assert_agree(parts, job)
        assert (kept.status, kept.done, kept.rows) == (JobStatus.COMPLETED, 12, 120)
        assert [c.attempts for c in chunks] == [1, 1, 1]
        assert kept.started_at is not None

    async def test_a_job_lost_before_its_plan_is_planned(self, parts: Parts) -> None:
        job = await old_job(parts)
        parts = lose_everything(parts)
        await Reaper(parts).sweep()
        assert await work_off(parts) == ["planned", "done", "done", "done"]
        assert (await assert_agree(parts, job))[0].status is JobStatus.COMPLETED

    async def test_a_job_lost_while_cancelling_is_cancelled_and_never_runs(self, parts: Parts) -> None:
        job = await planned_job(parts)
        await parts.history.save_status(job.job_id, JobStatus.CANCELLING)
        parts = lose_everything(parts)
        await Reaper(parts).sweep()
        assert messages(parts) == []
        kept, chunks = await assert_agree(parts, job)
        assert (kept.status, kept.done, kept.cancelled) == (JobStatus.CANCELLED, 4, 8)
        assert [c.state for c in chunks] == [ChunkState.DONE, ChunkState.CANCELLED, ChunkState.CANCELLED]

    async def test_a_job_whose_every_chunk_had_ended_ends(self, parts: Parts) -> None:
        job = await planned_job(parts)
        for chunk in await parts.history.load_chunks(job.job_id):
            await parts.history.save_chunk(job.job_id, replace(chunk, state=ChunkState.DONE, tally=finish(chunk)))
        parts = lose_everything(parts)
        await Reaper(parts).sweep()
        assert (await assert_agree(parts, job))[0].status is JobStatus.COMPLETED

    async def test_all_of_more_jobs_than_a_page_are_restored_at_once(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        small_pages(monkeypatch)
        jobs = [await old_job(parts) for _ in range(50)]
        parts = lose_everything(parts)
        await Reaper(parts).sweep()
        assert await parts.store.statuses("ingest", [job.job_id for job in jobs]) == [JobStatus.QUEUED] * 50
        assert sorted(ref.job_id for ref in messages(parts)) == sorted(job.job_id for job in jobs)

    async def test_one_lost_job_among_more_than_a_page_is_found_page_by_page(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        small_pages(monkeypatch)
        jobs = [await old_job(parts) for _ in range(50)]
        reaper = Reaper(parts)
        await reaper.sweep()
        await parts.store.forget("ingest", jobs[33].job_id)
        for _ in range(5):
            reaper._reconciled_at = float("-inf")
            await reaper.sweep()
        assert await parts.store.statuses("ingest", [job.job_id for job in jobs]) == [JobStatus.QUEUED] * 50

    async def test_several_reapers_restore_a_job_once(self, parts: Parts) -> None:
        job = await planned_job(parts)
        parts = lose_everything(parts)
        for _ in range(3):
            await Reaper(parts).sweep()
        found = await in_store(parts, job)
        assert (found.total, found.done, found.chunks_total) == (12, 4, 3)
        await work_off(parts)
        assert (await assert_agree(parts, job))[0].done == 12

    async def test_a_finished_job_stays_finished(self, parts: Parts) -> None:
        job = await old_job(parts)
        await work_off(parts)
        parts = lose_everything(parts)
        await Reaper(parts).sweep()
        assert await parts.store.load(job.queue, [job.job_id]) == [None]

    async def test_a_job_that_is_just_being_submitted_is_left_alone(self, parts: Parts) -> None:
        job = await submit(parts)
        parts = lose_everything(parts)
        await Reaper(parts).sweep()
        assert await parts.store.load(job.queue, [job.job_id]) == [None]


class TestSettle:
    async def test_an_end_that_only_the_store_knows_reaches_the_ledger(self, parts: Parts) -> None:
        job = await planned_job(parts)
        for n in ("1", "2"):
            claim = await parts.store.claim(ref_of(job, n), owner="w1")
            assert isinstance(claim, Claim)
            await parts.store.end(claim.lease, Ending.DONE, finish(claim.chunk))
        assert (await in_ledger(parts, job)).status is JobStatus.RUNNING
        await Reaper(parts).sweep()
        assert (await assert_agree(parts, job))[0].status is JobStatus.COMPLETED

    async def test_a_stop_that_never_reached_the_store_is_asked_again(self, parts: Parts) -> None:
        job = await planned_job(parts)
        messages(parts)
        await parts.history.save_status(job.job_id, JobStatus.CANCELLING)
        await Reaper(parts).sweep()
        assert (await in_store(parts, job)).status is JobStatus.CANCELLED
        await Reaper(parts).sweep()
        assert (await assert_agree(parts, job))[0].status is JobStatus.CANCELLED


class TestGhosts:
    """What a failover that loses the last seconds brings back to life."""

    async def test_a_job_that_had_ended_is_forgotten_and_the_ledger_s_end_stands(self, parts: Parts) -> None:
        job = await planned_job(parts)
        await parts.history.save_final(replace(await in_store(parts, job), status=JobStatus.CANCELLED))
        await Reaper(parts).sweep()
        assert await parts.store.load(job.queue, [job.job_id]) == [None]
        assert (await in_ledger(parts, job)).status is JobStatus.CANCELLED

    async def test_a_ghost_that_ended_before_it_was_found_is_forgotten(self, parts: Parts) -> None:
        job = await planned_job(parts)
        await parts.history.save_final(replace(await in_store(parts, job), status=JobStatus.CANCELLED))
        assert [await perform(parts, ref_of(job, n)) for n in (1, 2)] == ["done", "done"]
        assert await parts.store.load(job.queue, [job.job_id]) == [None]
        assert (await in_ledger(parts, job)).status is JobStatus.CANCELLED

    async def test_a_deleted_job_is_forgotten(self, parts: Parts) -> None:
        job = await planned_job(parts)
        await parts.history.delete(job.job_id)
        await Reaper(parts).sweep()
        assert await parts.store.load(job.queue, [job.job_id]) == [None]

    async def test_a_new_job_is_not_a_ghost(self, parts: Parts) -> None:
        job = await submit(parts)
        await Reaper(parts).sweep()
        assert (await in_store(parts, job)).status is JobStatus.QUEUED

    async def test_an_end_that_nobody_wrote_down_before_a_delete_is_written_first(self, parts: Parts) -> None:
        job = await planned_job(parts)
        for n in ("1", "2"):
            claim = await parts.store.claim(ref_of(job, n), owner="w1")
            assert isinstance(claim, Claim)
            await parts.store.end(claim.lease, Ending.DONE, finish(claim.chunk))
        await Jobs(parts).delete(await in_store(parts, job))
        await Reaper(parts).sweep()
        assert await parts.store.load(job.queue, [job.job_id]) == [None]
        assert await parts.history.load(job.queue, job.job_id) is None


class TestExpire:
    async def test_a_lost_worker_s_chunk_is_sent_at_once_and_goes_on_from_its_cursor(self, parts: Parts) -> None:
        job = await planned_job(parts)
        messages(parts)
        claim = await parts.store.claim(ref_of(job, 1), owner="killed")
        assert isinstance(claim, Claim)
        await parts.store.beat(claim.lease, advance(claim.chunk, ["ok", "invalid"]))
        await bench_of(parts.store).lapse(ref_of(job, 1))
        await Reaper(parts).sweep()
        assert messages(parts) == [ref_of(job, 1)]
        assert await perform(parts, ref_of(job, 1)) == "done"
        assert (await parts.history.load_chunks(job.job_id))[1].tally.outcomes == {"ok": 3, "invalid": 1}

    async def test_a_lost_worker_s_chunk_does_not_wait_for_a_backlog(self, parts: Parts) -> None:
        job = await planned_job(parts)
        claim = await parts.store.claim(ref_of(job, 1), owner="killed")
        assert isinstance(claim, Claim)
        await bench_of(parts.store).lapse(ref_of(job, 1))
        await parts.dispatcher.send(job.task, [ref_of(job, 2)])
        for _ in range(3):
            await Reaper(parts).sweep()
        assert messages(parts) == [ref_of(job, 1), ref_of(job, 2)]

    async def test_one_whose_second_message_gets_lost_does_not_wait_for_a_backlog_either(self, parts: Parts) -> None:
        job = await planned_job(parts)
        assert isinstance(await parts.store.claim(ref_of(job, 1), owner="killed"), Claim)
        await bench_of(parts.store).lapse(ref_of(job, 1))
        await Reaper(parts).sweep()
        assert messages(parts)[0] == ref_of(job, 1)
        await parts.dispatcher.send(job.task, [ref_of(job, 2)])
        await bench_of(parts.store).make_due(ref_of(job, 1))
        for _ in range(2):
            await Reaper(parts).sweep()
        assert messages(parts) == [ref_of(job, 1), ref_of(job, 2)]

    @pytest.mark.parametrize("ending", [Ending.RELEASED, Ending.BROKEN])
    async def test_a_returned_or_broken_chunk_does_not_wait_for_the_backlog(self, parts: Parts, ending: Ending) -> None:
        job = await planned_job(parts)
        claim = await parts.store.claim(ref_of(job, 1), owner="goes away")
        assert isinstance(claim, Claim)
        await parts.store.end(claim.lease, ending, claim.chunk.tally)
        await bench_of(parts.store).make_due(ref_of(job, 1))
        await parts.dispatcher.send(job.task, [ref_of(job, 2)])
        for _ in range(3):
            await Reaper(parts).sweep()
        assert messages(parts) == [ref_of(job, 1), ref_of(job, 2)]

    async def test_a_chunk_whose_workers_died_three_times_ends_its_job_in_the_ledger_too(self, parts: Parts) -> None:
        SCRIPT["plan"] = planning([make_chunk(0)])
        job = await old_job(parts)
        assert await perform(parts, messages(parts)[0]) == "planned"
        for _ in range(3):
            assert isinstance(await parts.store.claim(ref_of(job, 0), owner="killed"), Claim)
            await bench_of(parts.store).lapse(ref_of(job, 0))
            await Reaper(parts).sweep()
        kept, chunks = await assert_agree(parts, job)
        assert (kept.status, kept.failed, kept.dead) == (JobStatus.FAILED, 4, 1)
        assert len(chunks[0].tally.notes) == 4


class TestSendAgain:
    async def test_a_lost_message_is_sent_again_once_it_is_due(self, parts: Parts) -> None:
        job = await submit(parts)
        messages(parts)
        await Reaper(parts).sweep()
        assert messages(parts) == []
        await bench_of(parts.store).make_due(ref_of(job))
        await Reaper(parts).sweep()
        assert messages(parts) == [ref_of(job)]
        await Reaper(parts).sweep()
        assert messages(parts) == []

    async def test_behind_a_backlog_a_message_is_not_multiplied(self, parts: Parts) -> None:
        parts = replace(parts, store=MemoryJobStore(dispatch_s=0.0))
        job, other = make_job(), make_job()
        for put in (job, other):
            await parts.history.admit(put, Terms("test"))
            await parts.store.put(put, [plan_step()])
        await parts.dispatcher.send(other.task, [ref_of(other)])
        for _ in range(5):
            await Reaper(parts).sweep()
        assert messages(parts) == [ref_of(other)]
        # With the queue empty, nobody has it any more.
        await Reaper(parts).sweep()
        assert sorted(messages(parts), key=str) == sorted([ref_of(job), ref_of(other)], key=str)

    async def test_behind_a_backlog_a_very_old_one_is_sent_all_the_same(self, parts: Parts) -> None:
        job, other = await submit(parts), make_job()
        messages(parts)
        await bench_of(parts.store).make_due(ref_of(job))
        await parts.dispatcher.send(other.task, [ref_of(other)])
        await Reaper(parts).sweep()
        assert messages(parts) == [ref_of(other), ref_of(job)]


class Away(MemoryJobStore):
    """A store that may be away."""

    is_away = False

    async def renew_epoch(self) -> bool:
        if self.is_away:
            raise StoreError("Redis did not answer")
        return await super().renew_epoch()


async def sweep_while_away(parts: Parts) -> tuple[Away, Reaper, Job, Claim]:
    """Claim a job, and let a sweep find Redis away."""
    store = Away()
    parts = replace(parts, store=store)
    job = await submit(parts)
    claim = await store.claim(ref_of(job), owner="w1")
    assert isinstance(claim, Claim)
    sweeper = Reaper(parts)
    store.is_away = True
    with pytest.raises(StoreError):
        await sweeper.sweep()
    return store, sweeper, job, claim


async def test_a_lease_is_kept_through_an_outage_of_redis(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaper, "_MOST_AWAY_S", 0.0)
    store, sweeper, job, claim = await sweep_while_away(parts)
    await bench_of(store).lapse(ref_of(job))
    store.is_away = False
    await sweeper.sweep()
    assert await store.beat(claim.lease, claim.chunk.tally) is Beat.OK
    # The lease of a worker that does not come back is taken a little later.
    await bench_of(store).lapse(ref_of(job))
    sweeper._spares_until = 0.0
    await sweeper.sweep()
    assert await store.beat(claim.lease, claim.chunk.tally) is Beat.LOST


async def test_neither_an_outage_nor_a_bug_ends_the_sweeps(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaper, "SWEEP_S", 0.0)
    sweeper, failures, has_gone_on = Reaper(parts), [StoreError("away"), RuntimeError("a bug")], asyncio.Event()
    renew = parts.store.renew_epoch

    async def fail_twice() -> bool:
        if failures:
            raise failures.pop()
        has_gone_on.set()
        return await renew()

    monkeypatch.setattr(parts.store, "renew_epoch", fail_twice)
    running = asyncio.create_task(sweeper.run())
    await asyncio.wait_for(has_gone_on.wait(), 5)
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])


async def test_an_outage_is_measured_from_its_first_failed_sweep(parts: Parts) -> None:
    """A second failed sweep does not start a new outage, which would be too short to spare the leases."""
    store, sweeper, job, claim = await sweep_while_away(parts)
    assert sweeper._away_since is not None
    sweeper._away_since -= 60.0
    with pytest.raises(StoreError):
        await sweeper.sweep()
    await bench_of(store).lapse(ref_of(job))
    store.is_away = False
    await sweeper.sweep()
    assert await store.beat(claim.lease, claim.chunk.tally) is Beat.OK


async def test_a_reaper_that_did_not_run_itself_takes_no_lease_at_once(parts: Parts) -> None:
    """As after a laptop was closed: the workers have not run either, and renew their leases now."""
    job = await submit(parts)
    claim = await parts.store.claim(ref_of(job), owner="w1")
    assert isinstance(claim, Claim)
    sweeper = Reaper(parts)
    await sweeper.sweep()
    await bench_of(parts.store).lapse(ref_of(job))
    assert sweeper._rests_since is not None
    sweeper._rests_since -= 10.0
    await sweeper.sweep()
    assert await parts.store.beat(claim.lease, claim.chunk.tally) is Beat.OK
    await bench_of(parts.store).lapse(ref_of(job))
    sweeper._spares_until = 0.0
    await sweeper.sweep()
    assert await parts.store.beat(claim.lease, claim.chunk.tally) is Beat.LOST


type Loss = Callable[[Sequence[Chunk]], list[Chunk]]


class Forgetful(MemoryJobStore):
    """A store that has lost some of the chunks of a job, but not its record, as after a failover."""

    loss: Loss = list

    async def load_chunks(self, queue: str, job_id: str) -> list[Chunk]:
        return self.loss(await super().load_chunks(queue, job_id))


@pytest.mark.parametrize(
    "loss",
    [
        lambda chunks: chunks[1:],
        lambda chunks: [replace(chunks[0], tally=Tally()), *chunks[1:]],
        lambda chunks: [replace(chunks[0], state=ChunkState.RUNNING), *chunks[1:]],
    ],
    ids=["a chunk", "a tally", "an end"],
)
async def test_an_end_waits_until_all_its_chunks_are_there(parts: Parts, loss: Loss) -> None:
    store = Forgetful()
    parts = replace(parts, store=store)
    job = await submit(parts)
    store.loss = loss
    assert await work_off(parts) == ["planned", "done", "done", "done"]
    assert (await in_ledger(parts, job)).status is JobStatus.RUNNING
    store.loss = list
    await settle_job(parts, job.queue, job.job_id)
    assert (await assert_agree(parts, job))[0].status is JobStatus.COMPLETED
