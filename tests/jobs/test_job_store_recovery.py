"""What both job stores do when things go wrong: releases, lost workers, lost messages, cancellations."""

import time

import pytest

from kaboom.jobs.model import JobStatus, Tally
from kaboom.jobs.redis.store import Beat, Ended, Ending, Expired, JobStore, Refusal
from tests.fixtures.jobs.job_steps import assert_accounts, claimed, end, live, planned, until
from tests.fixtures.jobs.job_stores import SHORT_S, Bench
from tests.fixtures.jobs.jobs import QUEUE, advance, finish, make_chunk, make_job, plan_step, ref_of

pytestmark = pytest.mark.anyio


class TestListOpen:
    async def test_a_queue_is_open_from_the_first_chunk_to_the_end_of_the_last(self, job_store: JobStore) -> None:
        queues = [QUEUE, "idle"]
        assert await job_store.list_open(queues) == []
        job = await planned(job_store, make_chunk(0))
        assert await job_store.list_open(queues) == [QUEUE]
        claim = await claimed(job_store, ref_of(job, 0))
        assert await job_store.list_open(queues) == [QUEUE]
        await job_store.end(claim.lease, Ending.RELEASED, claim.chunk.tally)
        assert await job_store.list_open(queues) == [QUEUE]
        claim = await claimed(job_store, ref_of(job, 0))
        await job_store.end(claim.lease, Ending.DONE, finish(claim.chunk))
        assert await job_store.list_open(queues) == []


class TestRelease:
    async def test_a_released_chunk_is_claimed_again_as_the_same_attempt(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0))
        for _ in range(5):
            claim = await claimed(job_store, ref_of(job, 0))
            assert claim.chunk.attempts == 1
            ended = await job_store.end(claim.lease, Ending.RELEASED, claim.chunk.tally)
            assert ended == Ended(is_accepted=True)

    async def test_a_released_chunk_keeps_its_progress_and_is_due_at_once(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0))
        claim = await claimed(job_store, ref_of(job, 0))
        tally = advance(claim.chunk, ["ok"])
        await job_store.end(claim.lease, Ending.RELEASED, tally)
        assert await job_store.take_retries(QUEUE) == [ref_of(job, 0)]
        assert (await claimed(job_store, ref_of(job, 0))).chunk.tally == tally

    async def test_a_chunk_released_by_a_cancelled_job_is_cancelled(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0))
        claim = await claimed(job_store, ref_of(job, 0))
        await job_store.cancel(QUEUE, job.job_id)
        ended = await job_store.end(claim.lease, Ending.RELEASED, advance(claim.chunk, ["ok"]))
        assert ended == Ended(is_accepted=True, is_final=True)
        found = await live(job_store, job)
        assert (found.status, found.done, found.cancelled) == (JobStatus.CANCELLED, 1, 3)

    async def test_a_chunk_cancelled_by_a_stop_that_a_failover_lost_is_handed_back(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0))
        claim = await claimed(job_store, ref_of(job, 0))
        ended = await job_store.end(claim.lease, Ending.CANCELLED, advance(claim.chunk, ["ok"]))
        assert ended == Ended(is_accepted=True)
        assert (await live(job_store, job)).status is JobStatus.RUNNING
        assert (await claimed(job_store, ref_of(job, 0))).chunk.attempts == 1

    async def test_a_chunk_released_for_a_pause_runs_again_after_it_uncounted(self, bench: Bench) -> None:
        job = await planned(bench.store, make_chunk(0))
        for _ in range(4):
            claim = await claimed(bench.store, ref_of(job, 0))
            tally = advance(claim.chunk, ["ok"])
            await bench.store.end(claim.lease, Ending.RELEASED, tally, error="blocked", pause_s=300.0)
            assert await bench.store.take_retries(QUEUE) == []
            assert await bench.store.take_due(QUEUE) == []
            await bench.make_due(ref_of(job, 0))
            assert await bench.store.take_retries(QUEUE) == [ref_of(job, 0)]
        assert (await claimed(bench.store, ref_of(job, 0))).chunk.attempts == 1

    async def test_waiting_for_a_store_counts_a_wait_and_no_attempt(self, bench: Bench) -> None:
        job = make_job()
        await bench.store.put(job, [plan_step()])
        for waits in range(5):
            claim = await claimed(bench.store, ref_of(job))
            assert (claim.chunk.attempts, claim.waits) == (1, waits)
            ended = await bench.store.end(claim.lease, Ending.WAITING, Tally(), error="away", pause_s=300.0)
            assert ended == Ended(is_accepted=True)
            assert await bench.store.take_retries(QUEUE) == []
            await bench.make_due(ref_of(job))
            assert await bench.store.take_retries(QUEUE) == [ref_of(job)]
        assert (await live(bench.store, job)).pause_reason == "away"

    async def test_a_chunk_that_waits_for_a_store_ends_with_its_cancelled_job(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0))
        claim = await claimed(job_store, ref_of(job, 0))
        await job_store.cancel(QUEUE, job.job_id)
        ended = await job_store.end(claim.lease, Ending.WAITING, claim.chunk.tally, error="away", pause_s=300.0)
        assert ended == Ended(is_accepted=True, is_final=True)
        assert (await live(job_store, job)).status is JobStatus.CANCELLED

    async def test_a_failed_chunk_is_dead_at_its_first_try_and_keeps_its_cause(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0))
        claim = await claimed(job_store, ref_of(job, 0))
        for _ in range(2):
            ended = await job_store.end(claim.lease, Ending.FAILED, advance(claim.chunk, ["ok"]), error="KeyError: 'x'")
            assert ended == Ended(is_accepted=True, is_dead=True, is_final=True)
        (chunk,) = await job_store.load_chunks(QUEUE, job.job_id)
        assert (chunk.attempts, chunk.error) == (1, "given up after 1 attempt: KeyError: 'x'")
        assert await job_store.load_chunk(ref_of(job, 0)) == chunk
        assert await job_store.load_chunk(ref_of(job, 1)) is None

    async def test_a_pause_is_shown_with_the_job_and_the_latest_stands(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0), make_chunk(1), make_chunk(2))
        ends = []
        for n, (pause_s, reason) in enumerate([(300.0, "blocked"), (900.0, "blocked again"), (60.0, "a late word")]):
            claim = await claimed(job_store, ref_of(job, n))
            await job_store.end(claim.lease, Ending.RELEASED, claim.chunk.tally, error=reason, pause_s=pause_s)
            found = await live(job_store, job)
            assert found.updated_at is not None
            ends.append((round(found.pause_left_s(found.updated_at), -1), found.pause_reason))
        assert ends == [(300.0, "blocked"), (900.0, "blocked again"), (900.0, "blocked again")]

    @pytest.mark.parametrize(("pause_s", "reason"), [(1.0, None), (1.001, "others first")])
    async def test_a_chunk_that_waits_a_second_for_others_pauses_no_job(
        self, job_store: JobStore, pause_s: float, reason: str | None
    ) -> None:
        job = await planned(job_store, make_chunk(0))
        claim = await claimed(job_store, ref_of(job, 0))
        await job_store.end(claim.lease, Ending.WAITING, claim.chunk.tally, error="others first", pause_s=pause_s)
        assert (await live(job_store, job)).pause_reason == reason

    async def test_a_plan_step_that_broke_off_for_a_pause_waits_as_long(self, bench: Bench) -> None:
        job = make_job()
        await bench.store.put(job, [plan_step()])
        claim = await claimed(bench.store, ref_of(job))
        await bench.store.end(claim.lease, Ending.BROKEN, Tally(), error="blocked", pause_s=300.0)
        assert (await live(bench.store, job)).pause_reason == "blocked"
        await bench.make_due(ref_of(job))
        assert await bench.store.take_retries(QUEUE) == [ref_of(job)]
        assert (await claimed(bench.store, ref_of(job))).chunk.attempts == 2

    async def test_a_chunk_of_a_cancelled_job_does_not_pause_it(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0))
        claim = await claimed(job_store, ref_of(job, 0))
        await job_store.cancel(QUEUE, job.job_id)
        ended = await job_store.end(claim.lease, Ending.RELEASED, Tally(), error="blocked", pause_s=300.0)
        assert ended == Ended(is_accepted=True, is_final=True)
        assert (await live(job_store, job)).paused_until is None

    async def test_a_broken_chunk_waits_a_moment(self, bench: Bench) -> None:
        job = await planned(bench.store, make_chunk(0))
        await end(bench.store, ref_of(job, 0), [], Ending.BROKEN)
        assert await bench.store.take_retries(QUEUE) == []
        await bench.make_due(ref_of(job, 0))
        assert await bench.store.take_retries(QUEUE) == [ref_of(job, 0)]
        assert await bench.store.take_retries(QUEUE) == []

    async def test_a_chunk_without_a_message_is_not_one_whose_message_is_late(self, bench: Bench) -> None:
        job = await planned(bench.store, make_chunk(0))
        await end(bench.store, ref_of(job, 0), [], Ending.BROKEN)
        await bench.make_due(ref_of(job, 0))
        assert await bench.store.take_due(QUEUE) == []
        assert await bench.store.take_retries(QUEUE) == [ref_of(job, 0)]

    async def test_a_retried_chunk_is_sent_until_it_is_claimed(self, bench: Bench) -> None:
        job = await planned(bench.store, make_chunk(0))
        await end(bench.store, ref_of(job, 0), [], Ending.BROKEN)
        for _ in range(3):
            await bench.make_due(ref_of(job, 0))
            assert await bench.store.take_retries(QUEUE) == [ref_of(job, 0)]
            assert await bench.store.take_retries(QUEUE) == []
        await claimed(bench.store, ref_of(job, 0))
        await bench.make_due(ref_of(job, 0))
        assert await bench.store.take_retries(QUEUE) == []
        assert await bench.store.take_due(QUEUE) == []

    async def test_a_chunk_of_a_job_that_is_forgotten_does_not_come_again(self, bench: Bench) -> None:
        job = await planned(bench.store, make_chunk(0))
        await end(bench.store, ref_of(job, 0), [], Ending.BROKEN)
        await bench.make_due(ref_of(job, 0))
        await bench.store.forget(QUEUE, job.job_id)
        assert await bench.store.take_retries(QUEUE) == []

    async def test_a_chunk_that_is_claimed_or_cancelled_meanwhile_needs_no_message(self, bench: Bench) -> None:
        job = await planned(bench.store, make_chunk(0))
        other = await planned(bench.store, make_chunk(0))
        waiting = await planned(bench.store, make_chunk(0))
        for broken in (job, other, waiting):
            await end(bench.store, ref_of(broken, 0), [], Ending.BROKEN)
            await bench.make_due(ref_of(broken, 0))
        await claimed(bench.store, ref_of(job, 0))
        await bench.store.cancel(QUEUE, other.job_id)
        assert await bench.store.take_retries(QUEUE) == [ref_of(waiting, 0)]


class TestExpire:
    async def test_a_live_lease_is_left_alone(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0))
        await claimed(job_store, ref_of(job, 0))
        assert await job_store.expire(QUEUE) == []

    async def test_a_lease_runs_out_by_itself_and_a_beat_extends_it(self, quick_store: JobStore) -> None:
        job = await planned(quick_store, make_chunk(0), make_chunk(1))
        idle, busy = await claimed(quick_store, ref_of(job, 0)), await claimed(quick_store, ref_of(job, 1))
        expired: list[Expired] = []
        while not expired:
            assert await quick_store.beat(busy.lease, busy.chunk.tally) is Beat.OK
            expired = await quick_store.expire(QUEUE)
        assert [(e.ref, e.verdict, e.is_final) for e in expired] == [(idle.lease.ref, "queued", False)]
        assert (await claimed(quick_store, ref_of(job, 0), "w2")).chunk.attempts == 2
        assert await quick_store.beat(idle.lease, idle.chunk.tally) is Beat.LOST

    async def test_an_expired_chunk_is_due_at_once(self, bench: Bench) -> None:
        job = await planned(bench.store, make_chunk(0))
        await claimed(bench.store, ref_of(job, 0))
        await bench.lapse(ref_of(job, 0))
        assert len(await bench.store.expire(QUEUE)) == 1
        assert await bench.store.expire(QUEUE) == []
        assert await bench.store.take_retries(QUEUE) == [ref_of(job, 0)]

    async def test_an_expired_chunk_of_a_cancelled_job_is_cancelled(self, bench: Bench) -> None:
        job = await planned(bench.store, make_chunk(0))
        claim = await claimed(bench.store, ref_of(job, 0))
        await bench.store.beat(claim.lease, advance(claim.chunk, ["ok"]))
        await bench.store.cancel(QUEUE, job.job_id)
        await bench.lapse(ref_of(job, 0))
        (expired,) = await bench.store.expire(QUEUE)
        assert (expired.verdict, expired.is_final) == ("cancelled", True)
        found = await live(bench.store, job)
        assert (found.status, found.cancelled) == (JobStatus.CANCELLED, 3)

    async def test_queues_are_apart(self, bench: Bench) -> None:
        job = await planned(bench.store, make_chunk(0), make_chunk(1))
        await claimed(bench.store, ref_of(job, 0))
        await bench.lapse(ref_of(job, 0))
        await bench.make_due(ref_of(job, 1))
        assert await bench.store.expire("backtest") == []
        assert await bench.store.take_due("backtest") == []
        assert await bench.store.expire(QUEUE)
        assert await bench.store.take_retries("backtest") == []


class TestDue:
    async def test_nothing_is_due_before_its_time(self, job_store: JobStore) -> None:
        await planned(job_store, make_chunk(0))
        assert await job_store.take_due(QUEUE) == []

    async def test_a_message_falls_due_by_itself_and_is_put_off_once_taken(self, quick_store: JobStore) -> None:
        job = make_job()
        await quick_store.put(job, [plan_step()])
        began = time.monotonic()
        for times in (1, 2):
            assert await until(lambda: quick_store.take_due(QUEUE), bool) == [ref_of(job)]
            assert time.monotonic() - began >= times * SHORT_S * 0.9

    async def test_with_a_backlog_only_an_old_one_is_due(self, quick_bench: Bench) -> None:
        job = await planned(quick_bench.store, make_chunk(0), make_chunk(1))
        assert await quick_bench.store.take_due(QUEUE, older_than_s=600) == []
        await quick_bench.make_due(ref_of(job, 1))
        assert await quick_bench.store.take_due(QUEUE, older_than_s=600) == [ref_of(job, 1)]
        assert ref_of(job, 0) in await until(lambda: quick_bench.store.take_due(QUEUE), bool)

    async def test_claimed_ended_and_forgotten_chunks_are_never_due(self, bench: Bench) -> None:
        job = await planned(bench.store, make_chunk(0), make_chunk(1))
        other = await planned(bench.store, make_chunk(0))
        await claimed(bench.store, ref_of(job, 0))
        await end(bench.store, ref_of(job, 1), ["ok"] * 4)
        await bench.make_due(ref_of(job, 0))
        await bench.make_due(ref_of(job, 1))
        await bench.make_due(ref_of(other, 0))
        await bench.store.forget(QUEUE, other.job_id)
        assert await bench.store.take_due(QUEUE) == []


class TestCancel:
    async def test_a_queued_job_is_cancelled_at_once(self, job_store: JobStore) -> None:
        job = make_job()
        await job_store.put(job, [plan_step()])
        stopped = await job_store.cancel(QUEUE, job.job_id)
        assert stopped is not None
        assert stopped.status is JobStatus.CANCELLED
        assert await job_store.claim(ref_of(job), owner="w1") is Refusal.STOP

    async def test_running_chunks_learn_it_at_a_beat_and_queued_ones_end_now(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0), make_chunk(1, 3))
        claim = await claimed(job_store, ref_of(job, 0))
        stopped = await job_store.cancel(QUEUE, job.job_id)
        assert stopped is not None
        assert (stopped.status, stopped.cancelled, stopped.chunks_done) == (JobStatus.CANCELLING, 3, 1)
        tally = advance(claim.chunk, ["ok"])
        assert await job_store.beat(claim.lease, tally) is Beat.CANCEL
        assert (await job_store.end(claim.lease, Ending.CANCELLED, tally)).is_final
        found = await live(job_store, job)
        assert (found.status, found.done, found.cancelled) == (JobStatus.CANCELLED, 1, 6)
        assert_accounts(found)

    async def test_a_running_plan_step_learns_it_and_its_chunks_never_start(self, job_store: JobStore) -> None:
        job = make_job()
        await job_store.put(job, [plan_step()])
        claim = await claimed(job_store, ref_of(job))
        await job_store.cancel(QUEUE, job.job_id)
        assert await job_store.beat(claim.lease, Tally()) is Beat.CANCEL
        assert (await job_store.set_plan(claim.lease, {}, [make_chunk(0)])) == Ended(is_accepted=True, is_final=True)
        found = await live(job_store, job)
        assert (found.status, found.cancelled, found.total) == (JobStatus.CANCELLED, 4, 4)

    async def test_a_cancel_while_the_last_chunk_ends_is_not_completed(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0))
        claim = await claimed(job_store, ref_of(job, 0))
        await job_store.cancel(QUEUE, job.job_id)
        await job_store.end(claim.lease, Ending.DONE, finish(claim.chunk))
        found = await live(job_store, job)
        assert (found.status, found.done) == (JobStatus.CANCELLED, 4)

    @pytest.mark.parametrize("ending", [Ending.BROKEN, Ending.CANCELLED])
    async def test_a_chunk_that_breaks_after_the_cancel_is_not_tried_again(
        self, job_store: JobStore, ending: Ending
    ) -> None:
        job = await planned(job_store, make_chunk(0))
        claim = await claimed(job_store, ref_of(job, 0))
        await job_store.cancel(QUEUE, job.job_id)
        assert (await job_store.end(claim.lease, ending, claim.chunk.tally)).is_final
        assert (await live(job_store, job)).status is JobStatus.CANCELLED

    async def test_a_plan_that_fails_after_the_cancel_is_cancelled(self, job_store: JobStore) -> None:
        job = make_job()
        await job_store.put(job, [plan_step()])
        claim = await claimed(job_store, ref_of(job))
        await job_store.cancel(QUEUE, job.job_id)
        assert (await job_store.fail(claim.lease, {"type": "InvalidRequest", "message": "no"})).is_final
        assert (await live(job_store, job)).status is JobStatus.CANCELLED

    async def test_twice_is_once(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0), make_chunk(1))
        await claimed(job_store, ref_of(job, 0))
        first, second = await job_store.cancel(QUEUE, job.job_id), await job_store.cancel(QUEUE, job.job_id)
        assert first is not None
        assert second is not None
        assert (second.status, second.cancelled) == (first.status, first.cancelled) == (JobStatus.CANCELLING, 4)

    async def test_a_final_job_stays_as_it_is(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0))
        await end(job_store, ref_of(job, 0), ["ok"] * 4)
        before = await live(job_store, job)
        assert await job_store.cancel(QUEUE, job.job_id) == before
        assert await live(job_store, job) == before

    async def test_an_unknown_job_is_none(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0))
        assert await job_store.cancel(QUEUE, "f" * 32) is None
        assert await job_store.cancel("backtest", job.job_id) is None
        assert (await live(job_store, job)).status is JobStatus.RUNNING
