"""A store that is away is never a try: the step waits, can be cancelled, and goes on when the store is back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from kaboom.errors import StoreError
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.reaper import Reaper
from kaboom.jobs.engine.run import completion
from kaboom.jobs.engine.run.worker import Run, perform
from kaboom.jobs.model import Chunk, ChunkState, Job, JobStatus, Tally
from kaboom.jobs.postgres.memory import MemoryJobHistory
from kaboom.jobs.redis.memory import MemoryJobStore
from kaboom.jobs.redis.store import MAX_ATTEMPTS
from tests.fixtures.jobs.job_runs import assert_agree, in_ledger, in_store, messages, submit, work_off
from tests.fixtures.jobs.jobs import advance, finish, make_chunk, ref_of
from tests.fixtures.workers.handlers import SCRIPT, planning

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("scripted")]


class Ledger(MemoryJobHistory):
    """A ledger that may be away."""

    is_away = False

    async def save_plan(
        self,
        job_id: str,
        plan: Mapping[str, Any],
        chunks: Sequence[Chunk],
        *,
        result: Mapping[str, Any] | None = None,
    ) -> tuple[Mapping[str, Any], list[Chunk]]:
        self._ask()
        return await super().save_plan(job_id, plan, chunks, result=result)

    async def save_status(self, job_id: str, status: JobStatus) -> None:
        self._ask()
        await super().save_status(job_id, status)

    async def save_chunk(self, job_id: str, chunk: Chunk) -> None:
        self._ask()
        await super().save_chunk(job_id, chunk)

    async def save_final(self, job: Job, chunks: Sequence[Chunk] = ()) -> Job | None:
        self._ask()
        return await super().save_final(job, chunks)

    def _ask(self) -> None:
        if self.is_away:
            raise StoreError("PostgreSQL did not answer: OperationalError: connection refused")


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def parts(parts: Parts, ledger: Ledger) -> Parts:
    return replace(parts, history=ledger)


class TestPlan:
    async def test_a_plan_waits_for_the_ledger_uncounted_and_then_completes(self, parts: Parts, ledger: Ledger) -> None:
        job = await submit(parts)
        messages(parts)
        ledger.is_away = True
        assert [await perform(parts, ref_of(job)) for _ in range(3 * MAX_ATTEMPTS)] == ["waiting"] * 3 * MAX_ATTEMPTS
        waiting = await in_store(parts, job)
        assert (waiting.status, waiting.error) == (JobStatus.RUNNING, None)
        assert "connection refused" in (waiting.pause_reason or "")
        ledger.is_away = False
        assert await perform(parts, ref_of(job)) == "planned"
        await work_off(parts)
        assert (await assert_agree(parts, job))[0].status is JobStatus.COMPLETED

    async def test_a_provider_is_not_asked_while_the_ledger_is_unavailable(self, parts: Parts, ledger: Ledger) -> None:
        asked: list[str] = []

        async def ask_and_plan(run: Run) -> Tally:
            asked.append("the provider")
            return await planning()(run)

        SCRIPT["plan"] = ask_and_plan
        job = await submit(parts)
        ledger.is_away = True
        for _ in range(5):
            await perform(parts, ref_of(job))
        assert len(asked) == 0
        ledger.is_away = False
        await perform(parts, ref_of(job))
        assert len(asked) == 1

    async def test_a_job_that_waits_for_the_ledger_is_cancelled_without_it(self, parts: Parts, ledger: Ledger) -> None:
        job = await submit(parts)
        ledger.is_away = True
        await perform(parts, ref_of(job))
        assert (await Jobs(parts).cancel(await in_store(parts, job))).status is JobStatus.CANCELLED
        assert (await in_ledger(parts, job)).status is JobStatus.QUEUED
        ledger.is_away = False
        ledger._jobs[job.job_id] = replace(ledger._jobs[job.job_id], requested_at=None)
        await Reaper(parts).sweep()
        assert (await in_ledger(parts, job)).status is JobStatus.CANCELLED


class TestChunk:
    async def test_a_chunk_waits_for_the_bar_store_uncounted_from_where_it_is(self, parts: Parts) -> None:
        async def write_one(run: Run) -> Tally:
            run.report(advance(run.chunk, ["ok"]))
            raise StoreError("bar file full: SQLITE_FULL")

        SCRIPT.update(plan=planning([make_chunk(0)]), chunk=write_one)
        job = await submit(parts)
        assert await work_off(parts) == ["planned", "waiting"]
        for _ in range(3):
            await perform(parts, ref_of(job, 0))
        found = await in_store(parts, job)
        assert (found.status, found.done, found.dead) == (JobStatus.RUNNING, 4, 0)
        (chunk,) = await parts.store.load_chunks(job.queue, job.job_id)
        assert (chunk.state, chunk.attempts) == (ChunkState.QUEUED, 0)

    async def test_a_chunk_that_waits_is_cancelled_at_once(self, parts: Parts) -> None:
        async def away(_run: Run) -> Tally:
            raise StoreError("bar file full: SQLITE_FULL")

        SCRIPT.update(plan=planning([make_chunk(0)]), chunk=away)
        job = await submit(parts)
        await work_off(parts)
        assert (await Jobs(parts).cancel(await in_store(parts, job))).status is JobStatus.CANCELLED
        kept, _ = await assert_agree(parts, job)
        assert kept.cancelled == 4

    async def test_a_store_error_that_does_not_pass_fails_the_chunk_at_once(self, parts: Parts) -> None:
        async def damaged(_run: Run) -> Tally:
            raise StoreError("page 7203 is damaged", retryable=False)

        SCRIPT.update(plan=planning([make_chunk(0)]), chunk=damaged)
        job = await submit(parts)
        assert await work_off(parts) == ["planned", "failed"]
        kept, (chunk,) = await assert_agree(parts, job)
        assert (kept.status, chunk.attempts) == (JobStatus.FAILED, 1)
        assert {"StoreError: page 7203 is damaged" in note.message for note in chunk.tally.notes} == {True}


async def test_an_end_that_the_ledger_missed_is_kept_by_the_reaper(
    parts: Parts, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "_LEDGER_RETRY_S", 0.01)
    SCRIPT["plan"] = planning([make_chunk(0)])
    job = await submit(parts)
    await perform(parts, messages(parts)[0])
    ledger.is_away = True
    assert await work_off(parts) == ["done"]
    assert (await in_store(parts, job)).status is JobStatus.COMPLETED
    ledger.is_away = False
    ledger._jobs[job.job_id] = replace(ledger._jobs[job.job_id], requested_at=None)
    await Reaper(parts).sweep()
    kept, chunks = await assert_agree(parts, job)
    assert (kept.status, [c.state for c in chunks]) == (JobStatus.COMPLETED, [ChunkState.DONE])


async def test_a_final_job_whose_chunks_redis_lost_is_not_recorded_but_restored(parts: Parts) -> None:
    class Halved(MemoryJobStore):
        """Holds a job's record, and has lost its chunks."""

        is_halved = False

        async def load_chunks(self, queue: str, job_id: str) -> list[Chunk]:
            return [] if self.is_halved else await super().load_chunks(queue, job_id)

    store = Halved()
    parts = replace(parts, store=store)
    job = await submit(parts)
    await perform(parts, messages(parts)[0])
    first, *others = messages(parts)
    for ref in (first, *others[:-1]):
        await perform(parts, ref)
    store.is_halved = True
    await perform(parts, others[-1])
    assert (await in_store(parts, job)).status is JobStatus.COMPLETED
    kept = await in_ledger(parts, job)
    assert (kept.status, kept.completed_at) == (JobStatus.RUNNING, None)
    assert await store.unsettled(job.queue) == [job.job_id]
    # Redis comes to have lost the record as well: the job is restored, and ends for good.
    parts = replace(parts, store=MemoryJobStore())
    assert isinstance(parts.history, Ledger)
    parts.history._jobs[job.job_id] = replace(kept, requested_at=None)
    await Reaper(parts).sweep()
    await work_off(parts)
    kept, chunks = await assert_agree(parts, job)
    assert (kept.status, kept.done, len(chunks)) == (JobStatus.COMPLETED, 12, 3)


class TestBug:
    async def test_a_bug_in_a_chunk_fails_it_at_once_with_its_cause(self, parts: Parts) -> None:
        async def trip(run: Run) -> Tally:
            if run.chunk.n == "1":
                run.report(advance(run.chunk, ["ok"]))
                return run.chunk.payload["bars"]  # type: ignore[no-any-return]
            return finish(run.chunk)

        SCRIPT["chunk"] = trip
        job = await submit(parts)
        assert sorted(await work_off(parts)) == ["done", "done", "failed", "planned"]
        kept, chunks = await assert_agree(parts, job)
        assert (kept.status, kept.done, kept.failed, kept.dead) == (JobStatus.PARTIAL, 9, 3, 1)
        assert (chunks[1].state, chunks[1].attempts) == (ChunkState.DEAD, 1)
        assert {note.message.rpartition(": KeyError: ")[2] for note in chunks[1].tally.notes} == {"'bars'"}

    async def test_a_bug_in_a_plan_fails_the_job_at_once_with_its_cause(self, parts: Parts) -> None:
        async def trip(run: Run) -> Tally:
            return len(run.chunk)  # type: ignore[arg-type, return-value]

        SCRIPT["plan"] = trip
        job = await submit(parts)
        assert await work_off(parts) == ["failed"]
        kept, _ = await assert_agree(parts, job)
        assert kept.error == {"type": "TypeError", "message": "object of type 'Chunk' has no len()"}

    async def test_a_plan_that_is_not_json_fails_and_is_not_saved(self, parts: Parts) -> None:
        async def plan_by_number(run: Run) -> Tally:
            await run.fan_out({1301: "synthetic"}, [make_chunk(0)])  # type: ignore[dict-item]
            return run.chunk.tally

        SCRIPT["plan"] = plan_by_number
        job = await submit(parts)
        assert await work_off(parts) == ["failed"]
        kept, chunks = await assert_agree(parts, job)
        assert (kept.status, kept.plan, chunks) == (JobStatus.FAILED, None, [])
        assert kept.error is not None
        assert kept.error["message"] == "Dict key must be str"

    async def test_a_tally_that_is_not_json_fails_only_unsettled_items(self, parts: Parts) -> None:
        async def miscount(run: Run) -> Tally:
            run.report(advance(run.chunk, ["ok"]))
            return replace(finish(run.chunk), counts={7203: 1})  # type: ignore[dict-item]

        SCRIPT.update(plan=planning([make_chunk(0)]), chunk=miscount)
        job = await submit(parts)
        assert await work_off(parts) == ["planned", "failed"]
        kept, _ = await assert_agree(parts, job)
        assert (kept.done, kept.failed) == (1, 3)
