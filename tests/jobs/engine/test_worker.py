"""What a worker does with a message: claim, run, end in Redis, then in the ledger."""

import asyncio
from contextlib import suppress

import pytest

from kaboom.errors import InvalidRequest, ProviderError
from kaboom.ingest.jobs import RUN_DAILY
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.run import heartbeat
from kaboom.jobs.engine.run import heartbeat as stall_clock
from kaboom.jobs.engine.run.completion import HandBack
from kaboom.jobs.engine.run.heartbeat import LeaseKeeper
from kaboom.jobs.engine.run.worker import Run, perform
from kaboom.jobs.model import ChunkState, JobStatus, Tally
from kaboom.jobs.redis.store import Claim, Refusal
from tests.fixtures.jobs.job_runs import assert_agree, in_ledger, in_store, messages, submit, work_off
from tests.fixtures.jobs.job_stores import bench_of
from tests.fixtures.jobs.jobs import advance, finish, make_chunk, make_job, plan_step, ref_of
from tests.fixtures.workers.handlers import SCRIPT, planning

pytestmark = pytest.mark.anyio


async def planned(parts: Parts) -> tuple[str, list[str]]:
    """Submit and plan a job; return its id and its chunks' names."""
    job = await submit(parts)
    (plan,) = messages(parts)
    assert await perform(parts, plan) == "planned"
    return job.job_id, [ref.n for ref in messages(parts)]


async def lose_lease(parts: Parts, run: Run) -> None:
    """Let another worker take a running chunk, as after a pause longer than the lease."""
    ref = run.claim.lease.ref
    await bench_of(parts.store).lose(ref)
    assert isinstance(await parts.store.claim(ref, owner="other"), Claim)


@pytest.mark.usefixtures("scripted")
class TestWholeRun:
    async def test_planned_then_chunks_then_completed_and_the_ledger_agrees(self, parts: Parts) -> None:
        job = await submit(parts)
        assert await work_off(parts) == ["planned", "done", "done", "done"]
        kept, chunks = await assert_agree(parts, job)
        assert (kept.status, kept.total, kept.done, kept.rows) == (JobStatus.COMPLETED, 12, 12, 120)
        assert kept.started_at is not None
        assert kept.completed_at is not None
        assert [(c.state, c.attempts, c.tally.cursor) for c in chunks] == [(ChunkState.DONE, 1, 4)] * 3

    async def test_a_message_that_comes_twice_runs_once(self, parts: Parts) -> None:
        job = await submit(parts)
        (plan,) = messages(parts)
        assert [await perform(parts, plan) for _ in range(2)] == ["planned", Refusal.DUPLICATE]
        refs = messages(parts)
        words = [await perform(parts, ref) for ref in refs for _ in range(2)]
        assert words == ["done", "duplicate", "done", "duplicate", "done", "stop"]
        assert (await in_ledger(parts, job)).done == 12

    async def test_a_plan_of_nothing_completes_the_job_in_the_ledger_too(self, parts: Parts) -> None:
        SCRIPT["plan"] = planning([])
        job = await submit(parts)
        assert await work_off(parts) == ["planned"]
        assert (await assert_agree(parts, job))[0].status is JobStatus.COMPLETED

    async def test_a_second_planner_takes_over_the_plan_that_the_ledger_has(self, parts: Parts) -> None:
        first = [make_chunk(0), make_chunk(1)]

        async def plan_and_die(run: Run) -> Tally:
            await parts.history.save_plan(run.claim.lease.ref.job_id, {"provider": "synthetic"}, first)
            raise ConnectionError("cut off between ledger and Redis")

        SCRIPT["plan"] = plan_and_die
        job = await submit(parts)
        assert await work_off(parts) == ["broken"]
        SCRIPT["plan"] = planning([make_chunk(n) for n in range(9)])
        assert await perform(parts, ref_of(job)) == "planned"
        assert [ref.n for ref in messages(parts)] == ["0", "1"]
        assert await parts.store.load_chunks(job.queue, job.job_id) == first


@pytest.mark.usefixtures("scripted")
class TestFailure:
    async def test_a_raising_handler_is_tried_three_times(self, parts: Parts) -> None:
        async def break_one(run: Run) -> Tally:
            if run.chunk.n != "1":
                return finish(run.chunk)
            run.report(advance(run.chunk, ["ok"]))
            raise TimeoutError(f"boom {run.chunk.attempts}")

        SCRIPT["chunk"] = break_one
        job = await submit(parts)
        assert sorted(await work_off(parts)) == ["broken", "done", "done", "planned"]
        assert (await in_store(parts, job)).status is JobStatus.RUNNING
        assert [await perform(parts, ref_of(job, 1)) for _ in range(3)] == ["broken", "broken", "stop"]
        kept, chunks = await assert_agree(parts, job)
        assert (kept.status, kept.done, kept.failed, kept.dead) == (JobStatus.PARTIAL, 11, 1, 1)
        assert kept.outcomes == {"ok": 11, "write_failed": 1}
        dead = chunks[1]
        assert (dead.state, dead.attempts, dead.tally.cursor) == (ChunkState.DEAD, 3, 4)
        assert [(n.item, n.outcome) for n in dead.tally.notes] == [(dead.items[3], "write_failed")]

    async def test_a_plan_runs_once_the_ledger_says_so_and_its_error_has_a_type_and_a_message(
        self, parts: Parts
    ) -> None:
        seen: list[JobStatus] = []

        async def fail(run: Run) -> Tally:
            seen.append((await in_ledger(parts, job)).status)
            raise ValueError("the day was: a Sunday: expected a session")

        SCRIPT["plan"] = fail
        job = await submit(parts)
        assert await work_off(parts) == ["failed"]
        assert seen == [JobStatus.RUNNING]
        kept = await in_ledger(parts, job)
        assert kept.error == {"type": "ValueError", "message": "the day was: a Sunday: expected a session"}

    async def test_a_job_whose_every_chunk_breaks_is_failed(self, parts: Parts) -> None:
        async def always(_run: Run) -> Tally:
            raise ProviderError("status was 404, expected 200")

        SCRIPT.update(plan=planning([make_chunk(0)]), chunk=always)
        job = await submit(parts)
        await work_off(parts)
        for _ in range(2):
            await perform(parts, ref_of(job, 0))
        kept, chunks = await assert_agree(parts, job)
        assert (kept.status, kept.outcomes) == (JobStatus.FAILED, {"write_failed": 4})
        assert [note.item for note in chunks[0].tally.notes] == list(chunks[0].items)

    async def test_an_invalid_plan_fails_the_job_at_once(self, parts: Parts) -> None:
        async def refuse(_run: Run) -> Tally:
            raise InvalidRequest("session was 2025-11-03, not a trading day", pointer="/session")

        SCRIPT["plan"] = refuse
        job = await submit(parts)
        assert await work_off(parts) == ["failed"]
        kept, _ = await assert_agree(parts, job)
        assert kept.status is JobStatus.FAILED
        assert kept.error == {"type": "InvalidRequest", "message": "session was 2025-11-03, not a trading day"}

    async def test_a_plan_that_may_work_later_is_tried_three_times(self, parts: Parts) -> None:
        async def time_out(_run: Run) -> Tally:
            raise ProviderError("no answer in time", retryable=True)

        SCRIPT["plan"] = time_out
        job = await submit(parts)
        assert [await perform(parts, ref_of(job)) for _ in range(4)] == ["broken", "broken", "broken", "stop"]
        kept, _ = await assert_agree(parts, job)
        assert kept.error == {"type": "plan_failed", "message": "ProviderError: no answer in time"}

    async def test_a_handler_that_skips_items_breaks_its_chunk(self, parts: Parts) -> None:
        async def forget_some(run: Run) -> Tally:
            return advance(run.chunk, ["ok"])

        SCRIPT.update(plan=planning([make_chunk(0)]), chunk=forget_some)
        job = await submit(parts)
        assert await work_off(parts) == ["planned", "broken"]
        found = await in_store(parts, job)
        assert (found.status, found.done, found.cancelled) == (JobStatus.RUNNING, 1, 0)

    async def test_a_job_that_the_ledger_never_took_is_dropped(self, parts: Parts) -> None:
        job = make_job()
        await parts.store.put(job, [plan_step()])
        assert await perform(parts, ref_of(job)) == "unaccepted"
        assert await parts.store.load(job.queue, [job.job_id]) == [None]
        assert messages(parts) == []
        assert await perform(parts, ref_of(job)) == Refusal.GONE


@pytest.mark.usefixtures("scripted")
class TestLease:
    async def test_a_lost_lease_cuts_the_handler_off_and_nothing_goes_to_the_ledger(self, parts: Parts) -> None:
        cut_off = asyncio.Event()

        async def lose(run: Run) -> Tally:
            await lose_lease(parts, run)
            run.report(finish(run.chunk))
            try:
                await asyncio.Event().wait()
            finally:
                cut_off.set()
            raise AssertionError

        SCRIPT["chunk"] = lose
        job_id, names = await planned(parts)
        job = (await parts.store.load("ingest", [job_id]))[0]
        assert job is not None
        assert await asyncio.wait_for(perform(parts, ref_of(job, names[0])), 5) == "lost"
        assert cut_off.is_set()
        assert (await in_store(parts, job)).done == 0
        assert {c.state for c in await parts.history.load_chunks(job_id)} == {ChunkState.QUEUED}

    async def test_a_zombie_that_finishes_all_the_same_is_refused(self, parts: Parts) -> None:

        async def outlive(run: Run) -> Tally:
            await lose_lease(parts, run)
            return finish(run.chunk)

        SCRIPT["chunk"] = outlive
        job_id, names = await planned(parts)
        job = make_job(job_id=job_id)
        await perform(parts, ref_of(job, names[0]))
        assert (await in_store(parts, job)).chunks_done == 0
        assert {c.state for c in await parts.history.load_chunks(job_id)} == {ChunkState.QUEUED}

    async def test_a_hung_handler_is_cut_off_and_its_chunk_given_back_as_broken(self, parts: Parts) -> None:
        async def hang(run: Run) -> Tally:
            run.report(advance(run.chunk, ["ok"]))
            await asyncio.Event().wait()
            raise AssertionError

        SCRIPT["chunk"] = hang
        job_id, names = await planned(parts)
        job = make_job(job_id=job_id)
        work = perform(parts, ref_of(job, names[0]), stall_s=0.3)
        assert await asyncio.wait_for(work, 5) == "stalled"
        claim = await parts.store.claim(ref_of(job, names[0]), owner="other")
        assert isinstance(claim, Claim)
        assert (claim.chunk.attempts, claim.chunk.tally.cursor) == (2, 1)

    @pytest.mark.parametrize(("longest_s", "word"), [(900.0, "done"), (0.0, "stalled")])
    async def test_waiting_for_a_permit_counts_as_a_stall_only_after_very_long(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch, longest_s: float, word: str
    ) -> None:
        monkeypatch.setattr(stall_clock, "LONGEST_WAIT_S", longest_s)
        asked: list[None] = []

        async def stall_check(self: LeaseKeeper) -> None:
            asked.append(None)

        monkeypatch.setattr(LeaseKeeper, "_beat", stall_check)
        monkeypatch.setattr(heartbeat, "_REPORT_S", 0.01)
        monkeypatch.setattr(heartbeat, "BEAT_S", 0.02)

        async def wait(run: Run) -> Tally:
            # Several times as long as a hung handler would have.
            while len(asked) < 100:
                run.keeper.note_life()
                await asyncio.sleep(0.01)
            return finish(run.chunk)

        SCRIPT.update(plan=planning([make_chunk(0)]), chunk=wait)
        job_id, names = await planned(parts)
        work = perform(parts, ref_of(make_job(job_id=job_id), names[0]), stall_s=1.0)
        assert await asyncio.wait_for(work, 30) == word


@pytest.mark.usefixtures("scripted")
class TestLettingGo:
    async def cut_off(self, parts: Parts, job_id: str, n: str) -> None:
        """Start a chunk, and cancel it once its handler runs, as a process that goes away does."""
        started = asyncio.Event()

        async def wait(run: Run) -> Tally:
            run.report(advance(run.chunk, ["ok"]))
            started.set()
            await asyncio.Event().wait()
            raise AssertionError

        SCRIPT["chunk"] = wait
        task = asyncio.create_task(perform(parts, ref_of(make_job(job_id=job_id), n)))
        await asyncio.wait_for(started.wait(), 5)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()

    async def test_a_stopping_process_hands_its_chunk_back_uncounted(self, parts: Parts) -> None:
        job_id, names = await planned(parts)
        ref = ref_of(make_job(job_id=job_id), names[0])
        for _ in range(4):
            await self.cut_off(parts, job_id, names[0])
            assert await parts.store.take_retries(ref.queue) == [ref]
        claim = await parts.store.claim(ref, owner="other")
        assert isinstance(claim, Claim)
        assert claim.chunk.attempts == 1
        # Each of the four settled one item and went on from there.
        assert (claim.chunk.tally.cursor, claim.chunk.tally.done) == (4, 4)

    async def test_a_handler_that_fails_while_it_lets_go_hides_no_cancel(self, parts: Parts) -> None:
        job_id, names = await planned(parts)
        ref, started = ref_of(make_job(job_id=job_id), names[0]), asyncio.Event()

        async def fail(_run: Run) -> Tally:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                raise OSError("Directory not empty")
            raise AssertionError

        SCRIPT["chunk"] = fail
        task = asyncio.create_task(perform(parts, ref))
        await asyncio.wait_for(started.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await parts.store.take_retries(ref.queue) == [ref]
        claim = await parts.store.claim(ref, owner="other")
        assert isinstance(claim, Claim)
        assert claim.chunk.attempts == 1

    async def test_the_plan_step_is_handed_back_too(self, parts: Parts) -> None:
        job, started = await submit(parts), asyncio.Event()

        async def wait(_run: Run) -> Tally:
            started.set()
            await asyncio.Event().wait()
            raise AssertionError

        SCRIPT["plan"] = wait
        messages(parts)
        task = asyncio.create_task(perform(parts, ref_of(job)))
        await asyncio.wait_for(started.wait(), 5)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert await parts.store.take_retries(job.queue) == [ref_of(job)]

    async def test_a_chunk_of_a_cancelled_job_ends_its_job_instead(self, parts: Parts) -> None:
        SCRIPT["plan"] = planning([make_chunk(0)])
        job_id, names = await planned(parts)
        job = make_job(job_id=job_id)
        started = asyncio.Event()

        async def cancel_and_wait(run: Run) -> Tally:
            await Jobs(parts).cancel(await in_store(parts, job))
            started.set()
            await asyncio.Event().wait()
            raise AssertionError

        SCRIPT["chunk"] = cancel_and_wait
        task = asyncio.create_task(perform(parts, ref_of(job, names[0])))
        await asyncio.wait_for(started.wait(), 5)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert messages(parts) == []
        kept, _ = await assert_agree(parts, job)
        assert (kept.status, kept.cancelled) == (JobStatus.CANCELLED, 4)


@pytest.mark.usefixtures("scripted")
class TestHandingBack:
    async def test_a_chunk_that_is_handed_back_waits_uncounted_and_goes_on(self, parts: Parts) -> None:
        async def pause_once(run: Run) -> Tally:
            if run.chunk.tally.cursor:
                return finish(run.chunk)
            run.report(advance(run.chunk, ["ok"]))
            raise HandBack("blocked", pause_s=300.0)

        SCRIPT.update(plan=planning([make_chunk(0)]), chunk=pause_once)
        job = await submit(parts)
        assert await work_off(parts) == ["planned", "paused"]
        found = await in_store(parts, job)
        assert (found.status, found.done, found.pause_reason) == (JobStatus.RUNNING, 1, "blocked")
        assert await parts.store.take_retries(job.queue) == []
        assert await perform(parts, ref_of(job, 0)) == "done"
        _, chunks = await assert_agree(parts, job)
        assert [(c.attempts, c.tally.done) for c in chunks] == [(1, 4)]

    async def test_a_plan_step_that_is_handed_back_is_tried_three_times(self, parts: Parts) -> None:
        async def pause(_run: Run) -> Tally:
            raise HandBack("blocked", pause_s=300.0)

        SCRIPT["plan"] = pause
        job = await submit(parts)
        assert [await perform(parts, ref_of(job)) for _ in range(4)] == ["paused", "paused", "paused", "stop"]
        kept, _ = await assert_agree(parts, job)
        assert kept.error == {"type": "plan_failed", "message": "blocked"}


@pytest.mark.usefixtures("scripted")
class TestCancel:
    async def test_a_running_chunk_stops_where_it_is(self, parts: Parts) -> None:
        job_id, names = await planned(parts)
        job = make_job(job_id=job_id)

        async def go_on_until_told(run: Run) -> Tally:
            await Jobs(parts).cancel(await in_store(parts, job))
            tally = advance(run.chunk, ["ok"])
            while not run.should_stop():
                run.report(tally)
                await asyncio.sleep(0.01)
            return tally

        SCRIPT["chunk"] = go_on_until_told
        assert await asyncio.wait_for(perform(parts, ref_of(job, names[0])), 5) == "cancelled"
        kept, _ = await assert_agree(parts, job)
        assert (kept.status, kept.done, kept.cancelled) == (JobStatus.CANCELLED, 1, 11)


async def test_the_real_ingest_runs_from_request_to_ledger(parts: Parts) -> None:
    request = {
        "intervals": {"1m": 1, "1d": 3},
        "market": "TSE_PRIME",
        "symbols": ["7203", "6758", "9984"],
        "session": "2026-10-30",
        "chunk_size": 500,
    }
    job = (await Jobs(parts).submit(RUN_DAILY, request, owner="ingest")).job
    assert set(await work_off(parts)) == {"planned", "done"}
    kept, chunks = await assert_agree(parts, job)
    assert kept.status is JobStatus.COMPLETED
    assert kept.outcomes == {"ok": 6}
    assert kept.rows == sum(chunk.tally.rows for chunk in chunks) > 300
    assert kept.plan is not None
    assert kept.plan["session"] == "2026-10-30"


@pytest.mark.usefixtures("scripted")
async def test_cancelled_twice_over_the_loop_still_lets_go(parts: Parts) -> None:
    """A lease lost while the process goes away: the answer is the process's, not the keeper's."""
    job_id, names = await planned(parts)
    letting_go = asyncio.Event()

    async def linger(run: Run) -> Tally:
        await lose_lease(parts, run)
        run.report(finish(run.chunk))
        try:
            await asyncio.Event().wait()
        finally:
            letting_go.set()
            await asyncio.Event().wait()
        raise AssertionError

    SCRIPT["chunk"] = linger
    task = asyncio.create_task(perform(parts, ref_of(make_job(job_id=job_id), names[0])))
    await asyncio.wait_for(letting_go.wait(), 5)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    assert task.cancelled()
