"""The promises of the port to live job state, kept by Redis and by its memory twin."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kaboom.jobs.model import PLAN, ChunkState, JobStatus, Tally, settle_status
from kaboom.jobs.redis.store import Beat, Claim, Ended, Ending, JobStore, Refusal
from kaboom.jobs.redis.workers import WorkerFacts
from tests.fixtures.jobs.job_steps import assert_accounts, claimed, end, live, planned
from tests.fixtures.jobs.job_stores import Bench
from tests.fixtures.jobs.jobs import OWNER, QUEUE, advance, finish, make_chunk, make_job, plan_step, ref_of

pytestmark = pytest.mark.anyio

STALE = Ended(is_accepted=False)


class TestPut:
    async def test_a_job_comes_back_as_it_was_put(self, job_store: JobStore) -> None:
        job = make_job(parent_id="a" * 32, attempt=2, request={"market": "TSE_PRIME", "symbols": [], "text": "日本"})
        assert await job_store.put(job, [plan_step()])
        found = await live(job_store, job)
        assert replace(found, updated_at=None, version=0) == job
        assert found.updated_at is not None

    async def test_the_second_put_changes_nothing(self, job_store: JobStore) -> None:
        job = make_job()
        assert await job_store.put(job, [plan_step()])
        assert not await job_store.put(replace(job, owner="other"), [plan_step(), make_chunk(0)])
        assert (await live(job_store, job)).owner == job.owner
        assert await job_store.load_chunks(QUEUE, job.job_id) == []
        assert await job_store.newest(QUEUE) == [job.job_id]

    async def test_one_of_many_racing_puts_wins(self, job_store: JobStore) -> None:
        job = make_job()
        assert sum(await asyncio.gather(*(job_store.put(job, [plan_step()]) for _ in range(10)))) == 1

    async def test_a_restored_job_keeps_what_had_ended(self, job_store: JobStore) -> None:
        whole = make_chunk(0)
        done = replace(whole, state=ChunkState.DONE, tally=finish(whole), attempts=2)
        job = make_job(status=JobStatus.RUNNING, plan={"provider": "synthetic"})
        await job_store.put(job, [plan_step(ChunkState.DONE), done, make_chunk(1, 3)])
        found = await live(job_store, job)
        assert (found.total, found.done, found.rows, found.chunks_done, found.chunks_total) == (7, 4, 40, 1, 2)
        assert await job_store.claim(ref_of(job, 0), owner="w1") is Refusal.DUPLICATE
        assert (await job_store.load_chunks(QUEUE, job.job_id))[0] == done
        claim = await claimed(job_store, ref_of(job, 1))
        assert claim.plan == {"provider": "synthetic"}
        assert (await live(job_store, job)).started_at is not None
        assert (await job_store.end(claim.lease, Ending.DONE, finish(claim.chunk))).is_final
        assert (await live(job_store, job)).status is JobStatus.COMPLETED

    async def test_a_restored_dead_chunk_is_counted_once(self, job_store: JobStore) -> None:
        chunk = make_chunk(0)
        dead = replace(chunk, state=ChunkState.DEAD, attempts=3)
        dead = replace(dead, tally=dead.left_over("write_failed", "given up"))
        job = make_job(status=JobStatus.RUNNING, plan={})
        await job_store.put(job, [plan_step(ChunkState.DONE), dead])
        found = await live(job_store, job)
        assert (found.status, found.failed, found.dead) == (JobStatus.FAILED, 4, 1)
        assert found.outcomes == {"write_failed": 4}

    async def test_a_job_restored_while_cancelling_is_cancelled(self, job_store: JobStore) -> None:
        whole = make_chunk(0)
        done = replace(whole, state=ChunkState.DONE, tally=finish(whole))
        job = make_job(status=JobStatus.CANCELLING, plan={})
        await job_store.put(job, [plan_step(ChunkState.DONE), done, make_chunk(1)])
        found = await live(job_store, job)
        assert (found.status, found.done, found.cancelled) == (JobStatus.CANCELLED, 4, 4)
        assert await job_store.claim(ref_of(job, 1), owner="w1") is Refusal.STOP

    async def test_a_job_whose_every_chunk_had_ended_is_final_at_once(self, job_store: JobStore) -> None:
        job = make_job(status=JobStatus.RUNNING, plan={})
        await job_store.put(job, [plan_step(ChunkState.DONE)])
        assert (await live(job_store, job)).status is JobStatus.COMPLETED


class TestClaim:
    async def test_a_claim_holds_what_the_worker_needs(self, job_store: JobStore) -> None:
        chunk = make_chunk(0)
        job = await planned(job_store, chunk)
        claim = await claimed(job_store, ref_of(job, 0))
        assert claim.lease.ref == ref_of(job, 0)
        assert claim.chunk == replace(chunk, state=ChunkState.RUNNING, attempts=1)
        assert (claim.task, claim.request, claim.plan) == (job.task, job.request, {"provider": "synthetic"})

    async def test_the_first_claim_starts_the_job(self, job_store: JobStore) -> None:
        job = make_job()
        await job_store.put(job, [plan_step()])
        assert (await live(job_store, job)).started_at is None
        claim = await claimed(job_store, ref_of(job))
        assert claim.plan is None
        found = await live(job_store, job)
        assert found.status is JobStatus.RUNNING
        assert found.started_at is not None
        assert found.version > 1

    async def test_a_running_chunk_is_busy(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0))
        await claimed(job_store, ref_of(job, 0))
        assert await job_store.claim(ref_of(job, 0), owner="w2") is Refusal.BUSY

    async def test_of_racing_claims_one_is_granted(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0))
        answers = await asyncio.gather(*(job_store.claim(ref_of(job, 0), owner=f"w{i}") for i in range(10)))
        assert sum(isinstance(answer, Claim) for answer in answers) == 1
        assert answers.count(Refusal.BUSY) == 9

    async def test_an_ended_chunk_is_a_duplicate(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0), make_chunk(1))
        await end(job_store, ref_of(job, 0), ["ok"] * 4)
        assert await job_store.claim(ref_of(job, 0), owner="w2") is Refusal.DUPLICATE
        assert await job_store.claim(ref_of(job), owner="w2") is Refusal.DUPLICATE

    @pytest.mark.parametrize("change", [{"job_id": "f" * 32}, {"queue": "backtest"}, {"n": "7"}])
    async def test_what_does_not_exist_is_gone(self, job_store: JobStore, change: dict[str, str]) -> None:
        job = await planned(job_store, make_chunk(0))
        assert await job_store.claim(replace(ref_of(job, 0), **change), owner="w1") is Refusal.GONE

    @pytest.mark.parametrize("n", [PLAN, "0", "7"])
    async def test_a_final_job_says_stop(self, job_store: JobStore, n: str) -> None:
        job = await planned(job_store, make_chunk(0))
        await end(job_store, ref_of(job, 0), ["ok"] * 4)
        assert await job_store.claim(ref_of(job, n), owner="w1") is Refusal.STOP

    async def test_a_later_claim_goes_on_from_the_tally(self, bench: Bench) -> None:
        job = await planned(bench.store, make_chunk(0))
        first = await claimed(bench.store, ref_of(job, 0))
        tally = advance(first.chunk, ["ok", "invalid"])
        await bench.store.beat(first.lease, tally)
        await bench.lose(ref_of(job, 0))
        second = await claimed(bench.store, ref_of(job, 0), "w2")
        assert (second.chunk.tally, second.chunk.attempts) == (tally, 2)

    async def test_fences_grow_with_each_claim(self, bench: Bench) -> None:
        job = await planned(bench.store, make_chunk(0), make_chunk(1))
        fences = []
        for n in (0, 1, 0, 1):
            fences.append((await claimed(bench.store, ref_of(job, n))).lease.fence)
            await bench.lose(ref_of(job, n))
        numbers = [int(fence.split(":")[0]) for fence in fences]
        assert numbers == sorted(set(numbers))

    async def test_a_chunk_whose_lease_ran_out_is_the_reapers(self, bench: Bench) -> None:
        job = await planned(bench.store, make_chunk(0))
        for verdict in ("queued", "queued", "dead"):
            await claimed(bench.store, ref_of(job, 0))
            await bench.lapse(ref_of(job, 0))
            assert await bench.store.claim(ref_of(job, 0), owner="w4") is Refusal.BUSY
            assert [e.verdict for e in await bench.store.expire(QUEUE)] == [verdict]
        assert await bench.store.claim(ref_of(job, 0), owner="w4") is Refusal.STOP


class TestFence:
    async def test_an_older_lease_is_refused_everywhere(self, bench: Bench) -> None:
        store = bench.store
        job = await planned(store, make_chunk(0))
        old = await claimed(store, ref_of(job, 0))
        await bench.lose(ref_of(job, 0))
        new = await claimed(store, ref_of(job, 0), "w2")
        before = await live(store, job)
        assert await store.beat(old.lease, finish(old.chunk)) is Beat.LOST
        for ending in Ending:
            assert await store.end(old.lease, ending, finish(old.chunk, "invalid")) == STALE
        after = await live(store, job)
        assert (after.done, after.failed, after.chunks_done) == (before.done, before.failed, before.chunks_done)
        assert await store.beat(new.lease, new.chunk.tally) is Beat.OK

    async def test_an_older_planner_is_refused(self, bench: Bench) -> None:
        store, job = bench.store, make_job()
        await store.put(job, [plan_step()])
        old = await claimed(store, ref_of(job))
        await bench.lose(ref_of(job))
        new = await claimed(store, ref_of(job), "w2")
        assert await store.set_plan(old.lease, {"by": "old"}, [make_chunk(0), make_chunk(1)]) == STALE
        assert await store.fail(old.lease, {"type": "old"}) == STALE
        assert (await store.set_plan(new.lease, {"by": "new"}, [make_chunk(0)])).is_accepted
        found = await live(store, job)
        assert (found.plan, found.chunks_total, found.error) == ({"by": "new"}, 1, None)

    async def test_an_expired_lease_may_still_report_while_nobody_took_it(self, bench: Bench) -> None:
        job = await planned(bench.store, make_chunk(0))
        claim = await claimed(bench.store, ref_of(job, 0))
        await bench.lapse(ref_of(job, 0))
        assert await bench.store.beat(claim.lease, claim.chunk.tally) is Beat.OK
        assert await bench.store.expire(QUEUE) == []
        assert await bench.store.claim(ref_of(job, 0), owner="w2") is Refusal.BUSY


class TestTally:
    async def test_a_repeated_report_counts_once(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0), make_chunk(1))
        claim = await claimed(job_store, ref_of(job, 0))
        tally = advance(claim.chunk, ["ok", "no_trades", "invalid"])
        for _ in range(3):
            assert await job_store.beat(claim.lease, tally) is Beat.OK
        found = await live(job_store, job)
        assert (found.done, found.failed, found.written, found.rows) == (2, 1, 1, 10)
        assert found.outcomes == {"ok": 1, "no_trades": 1, "invalid": 1}
        assert found.counts == {"flag_stale": 3}

    async def test_a_repeated_end_counts_once_and_is_accepted_again(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0))
        claim = await claimed(job_store, ref_of(job, 0))
        for _ in range(3):
            ended = await job_store.end(claim.lease, Ending.DONE, finish(claim.chunk))
            assert ended == Ended(is_accepted=True, is_final=True)
        found = await live(job_store, job)
        assert (found.done, found.rows, found.chunks_done) == (4, 40, 1)

    async def test_a_report_overtaken_by_a_newer_one_does_no_harm(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0))
        claim = await claimed(job_store, ref_of(job, 0))
        late, last = advance(claim.chunk, ["invalid"]), finish(claim.chunk)
        await job_store.beat(claim.lease, last)
        await job_store.beat(claim.lease, late)
        await job_store.end(claim.lease, Ending.DONE, last)
        found = await live(job_store, job)
        assert (found.done, found.failed, found.outcomes) == (4, 0, {"ok": 4})

    async def test_a_tally_of_the_plan_step_is_not_counted(self, job_store: JobStore) -> None:
        job = make_job()
        await job_store.put(job, [plan_step()])
        claim = await claimed(job_store, ref_of(job))
        assert await job_store.beat(claim.lease, Tally(cursor=5, done=5)) is Beat.OK
        await job_store.end(claim.lease, Ending.RELEASED, Tally(cursor=5, done=5))
        assert (await live(job_store, job)).done == 0
        assert (await claimed(job_store, ref_of(job))).chunk.tally == Tally()

    async def test_a_tally_with_every_kind_of_text_comes_back(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0))
        claim = await claimed(job_store, ref_of(job, 0))
        tally = advance(claim.chunk, ["provider_error"] * 2)
        tally = replace(tally, notes=(*tally.notes[:1], replace(tally.notes[1], message='"\\\n\x00日本 {} [] 1e9')))
        await job_store.beat(claim.lease, tally)
        assert (await job_store.load_chunks(QUEUE, job.job_id))[0].tally == tally


class TestPlan:
    async def test_a_plan_adds_chunks_and_totals(self, job_store: JobStore) -> None:
        chunks = [make_chunk(n, 2 + n) for n in range(12)]
        job = await planned(job_store, *chunks)
        found = await live(job_store, job)
        assert (found.chunks_total, found.total, found.chunks_done) == (12, sum(len(c.items) for c in chunks), 0)
        assert found.plan == {"provider": "synthetic"}
        assert await job_store.load_chunks(QUEUE, job.job_id) == chunks

    async def test_a_plan_of_nothing_completes_the_job(self, job_store: JobStore) -> None:
        job = make_job()
        await job_store.put(job, [plan_step()])
        claim = await claimed(job_store, ref_of(job))
        assert await job_store.set_plan(claim.lease, {}, []) == Ended(is_accepted=True, is_final=True)
        assert (await live(job_store, job)).status is JobStatus.COMPLETED

    async def test_a_plan_that_was_kept_with_ended_chunks_counts_them(self, job_store: JobStore) -> None:
        whole = make_chunk(0)
        done = replace(whole, state=ChunkState.DONE, tally=finish(whole))
        job = await planned(job_store, done, make_chunk(1))
        found = await live(job_store, job)
        assert (found.done, found.chunks_done, found.chunks_total) == (4, 1, 2)

    async def test_a_plan_of_ended_chunks_alone_ends_the_job(self, job_store: JobStore) -> None:
        whole = make_chunk(0, 2)
        done = replace(whole, state=ChunkState.DONE, tally=advance(whole, ["ok", "invalid"]))
        job = make_job()
        await job_store.put(job, [plan_step()])
        claim = await claimed(job_store, ref_of(job))
        assert await job_store.set_plan(claim.lease, {}, [done]) == Ended(is_accepted=True, is_final=True)
        found = await live(job_store, job)
        assert (found.status, found.done, found.failed) == (JobStatus.PARTIAL, 1, 1)
        assert (found.error or {})["message"] == f"1 of 2 items failed; first cause: {whole.items[1]} invalid: said so"

    async def test_a_chunk_that_was_kept_dead_says_why_the_job_is_not_complete(self, job_store: JobStore) -> None:
        whole = make_chunk(0, 2)
        dead = replace(whole, state=ChunkState.DEAD, tally=replace(advance(whole, ["ok"]), cause="disk full"))
        job = make_job()
        await job_store.put(job, [plan_step()])
        claim = await claimed(job_store, ref_of(job))
        assert await job_store.set_plan(claim.lease, {}, [dead]) == Ended(is_accepted=True, is_final=True)
        found = await live(job_store, job)
        assert (found.done, found.failed, found.dead) == (1, 1, 1)
        assert (found.error or {})["message"] == "1 of 2 items failed; first cause: disk full"

    async def test_an_invalid_plan_fails_the_job(self, job_store: JobStore) -> None:
        job = make_job()
        await job_store.put(job, [plan_step()])
        claim = await claimed(job_store, ref_of(job))
        error = {"type": "InvalidRequest", "message": "session was 2025-11-03, not a trading day"}
        assert await job_store.fail(claim.lease, error) == Ended(is_accepted=True, is_dead=True, is_final=True)
        found = await live(job_store, job)
        assert (found.status, found.error, found.total) == (JobStatus.FAILED, error, 0)
        assert found.completed_at is not None

    async def test_the_same_plan_again_after_a_lost_answer_is_accepted_and_changes_nothing(
        self, job_store: JobStore
    ) -> None:
        job = make_job()
        await job_store.put(job, [plan_step()])
        claim = await claimed(job_store, ref_of(job))
        for _ in range(2):
            assert await job_store.set_plan(claim.lease, {}, [make_chunk(0)]) == Ended(is_accepted=True)
        assert (await live(job_store, job)).chunks_total == 1
        await end(job_store, ref_of(job, 0), ["ok"] * 4)
        assert await job_store.set_plan(claim.lease, {}, []) == Ended(is_accepted=True, is_final=True)

    async def test_values_are_stored_as_json_or_rejected(self, job_store: JobStore) -> None:
        job = make_job()
        await job_store.put(job, [plan_step()])
        claim = await claimed(job_store, ref_of(job))
        with pytest.raises(TypeError):
            await job_store.set_plan(claim.lease, {1301: "x"}, [])  # type: ignore[dict-item]
        with pytest.raises(TypeError):
            await job_store.put(make_job(request={1: 2}), [plan_step()])
        chunk = replace(make_chunk(0), payload={"sessions": ("2025-11-04",)})
        await job_store.set_plan(claim.lease, {"sessions": ("2025-11-04",)}, [chunk])
        assert (await live(job_store, job)).plan == {"sessions": ["2025-11-04"]}
        again = await claimed(job_store, ref_of(job, 0))
        assert (again.plan, again.chunk.payload) == ({"sessions": ["2025-11-04"]}, {"sessions": ["2025-11-04"]})

    async def test_the_same_failure_again_after_a_lost_answer_is_accepted(self, job_store: JobStore) -> None:
        job = make_job()
        await job_store.put(job, [plan_step()])
        claim = await claimed(job_store, ref_of(job))
        for _ in range(2):
            ended = await job_store.fail(claim.lease, {"type": "InvalidRequest", "message": "no"})
            assert ended == Ended(is_accepted=True, is_dead=True, is_final=True)

    async def test_a_plan_step_broken_three_times_fails_the_job_with_its_last_error(self, job_store: JobStore) -> None:
        job = make_job()
        await job_store.put(job, [plan_step()])
        for attempt in (1, 2, 3):
            claim = await claimed(job_store, ref_of(job))
            ended = await job_store.end(claim.lease, Ending.BROKEN, Tally(), error=f"boom {attempt}")
            assert ended == Ended(is_accepted=True, is_dead=attempt == 3, is_final=attempt == 3)
        found = await live(job_store, job)
        assert found.status is JobStatus.FAILED
        assert found.error == {"type": "plan_failed", "message": "boom 3"}

    async def test_a_plan_step_whose_workers_died_three_times_fails_the_job(self, bench: Bench) -> None:
        job = make_job()
        await bench.store.put(job, [plan_step()])
        for verdict in ("queued", "queued", "dead"):
            await claimed(bench.store, ref_of(job), "w9")
            await bench.lapse(ref_of(job))
            assert [e.verdict for e in await bench.store.expire(QUEUE)] == [verdict]
        found = await live(bench.store, job)
        message = "in 3 of 3 attempts the worker was not heard of for 15 s (last: w9)"
        assert found.error == {"type": "plan_failed", "message": message}


class TestFinal:
    @pytest.mark.parametrize(
        ("one", "other", "status"),
        [
            (["ok", "ok"], ["ok", "no_trades"], JobStatus.COMPLETED),
            (["not_listed", "not_listed"], ["no_trades", "no_trades"], JobStatus.COMPLETED),
            (["ok", "ok"], ["provider_error", "provider_error"], JobStatus.PARTIAL),
            (["ok", "invalid"], ["ok", "ok"], JobStatus.PARTIAL),
            (["no_trades", "no_trades"], ["rate_limited", "rate_limited"], JobStatus.FAILED),
            (["invalid", "invalid"], ["provider_error", "write_failed"], JobStatus.FAILED),
        ],
    )
    async def test_the_state_is_what_the_outcomes_say(
        self, job_store: JobStore, one: list[str], other: list[str], status: JobStatus
    ) -> None:
        job = await planned(job_store, make_chunk(0, 2), make_chunk(1, 2))
        assert not (await end(job_store, ref_of(job, 0), one)).is_final
        assert (await end(job_store, ref_of(job, 1), other)).is_final
        found = await live(job_store, job)
        assert found.status is status
        assert found.status is settle_status(written=found.written, failed=found.failed, is_cancelled=False)
        assert found.completed_at is not None
        assert_accounts(found)

    async def test_a_dead_chunk_fails_its_left_over_items_as_lost(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0, 5), make_chunk(1, 2))
        await end(job_store, ref_of(job, 1), ["ok", "ok"])
        for attempt in (1, 2, 3):
            claim = await claimed(job_store, ref_of(job, 0))
            ended = await job_store.end(claim.lease, Ending.BROKEN, advance(claim.chunk, ["ok"]), error="boom")
            assert ended == Ended(is_accepted=True, is_dead=attempt == 3, is_final=attempt == 3)
        found = await live(job_store, job)
        assert (found.status, found.dead, found.done, found.failed) == (JobStatus.PARTIAL, 1, 5, 2)
        assert found.outcomes == {"ok": 5, "lost": 2}
        assert (await job_store.load_chunks(QUEUE, job.job_id))[0].state is ChunkState.DEAD
        assert_accounts(found)

    async def test_a_run_whose_every_chunk_died_is_failed(self, bench: Bench) -> None:
        job = await planned(bench.store, make_chunk(0))
        for _ in range(3):
            await claimed(bench.store, ref_of(job, 0))
            await bench.lapse(ref_of(job, 0))
            (expired,) = await bench.store.expire(QUEUE)
        assert (expired.verdict, expired.is_final) == ("dead", True)
        found = await live(bench.store, job)
        assert (found.status, found.outcomes) == (JobStatus.FAILED, {"lost": 4})
        assert_accounts(found)


class TestLists:
    async def test_newest_first_and_a_hundred_of_each_queue(self, job_store: JobStore) -> None:
        jobs = [make_job() for _ in range(103)]
        elsewhere = make_job(queue="backtest")
        await job_store.put(elsewhere, [plan_step()])
        for job in jobs:
            await job_store.put(job, [plan_step()])
        ids = [job.job_id for job in reversed(jobs)]
        assert await job_store.newest(QUEUE) == ids[:100]
        assert await job_store.newest("backtest") == [elsewhere.job_id]
        found = await job_store.load(QUEUE, [jobs[0].job_id, "f" * 32, jobs[102].job_id])
        assert [job and job.job_id for job in found] == [jobs[0].job_id, None, jobs[102].job_id]

    async def test_load_of_nothing_is_nothing(self, job_store: JobStore) -> None:
        assert await job_store.load(QUEUE, []) == []
        assert await job_store.load_chunks(QUEUE, "f" * 32) == []
        assert await job_store.newest(QUEUE) == []

    async def test_states_alone_are_reported_in_the_order_asked_for(self, job_store: JobStore) -> None:
        queued, running = make_job(), await planned(job_store, make_chunk(0))
        await job_store.put(queued, [plan_step()])
        await claimed(job_store, ref_of(running, 0))
        ids = [running.job_id, "f" * 32, queued.job_id]
        assert await job_store.statuses(QUEUE, ids) == [JobStatus.RUNNING, None, JobStatus.QUEUED]
        assert await job_store.statuses("backtest", ids) == [None] * 3
        assert await job_store.statuses(QUEUE, []) == []

    async def test_another_queue_does_not_know_the_job(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0))
        assert await job_store.load("backtest", [job.job_id]) == [None]
        assert await job_store.load_chunks("backtest", job.job_id) == []

    async def test_a_forgotten_job_is_gone_and_may_be_put_again(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0))
        claim = await claimed(job_store, ref_of(job, 0))
        await job_store.forget(QUEUE, job.job_id)
        assert await job_store.load(QUEUE, [job.job_id]) == [None]
        assert await job_store.newest(QUEUE) == []
        assert await job_store.beat(claim.lease, claim.chunk.tally) is Beat.LOST
        assert await job_store.end(claim.lease, Ending.DONE, finish(claim.chunk)) == STALE
        assert await job_store.expire(QUEUE) == []
        await job_store.forget(QUEUE, job.job_id)
        assert await job_store.put(job, [plan_step()])
        assert await job_store.newest(QUEUE) == [job.job_id]

    async def test_a_job_is_unsettled_until_its_end_is_in_the_ledger(self, job_store: JobStore) -> None:
        jobs = [await planned(job_store, make_chunk(0)) for _ in range(3)]
        assert sorted(await job_store.unsettled(QUEUE)) == sorted(job.job_id for job in jobs)
        await end(job_store, ref_of(jobs[0], 0), ["ok"] * 4)
        assert len(await job_store.unsettled(QUEUE)) == 3
        (ended,) = await job_store.load(QUEUE, [jobs[0].job_id])
        assert ended
        assert [await job_store.mark_settled(ended) for _ in range(2)] == [True, False]
        await job_store.forget(QUEUE, jobs[1].job_id)
        # An end that a failover took back, and one before the end that the job has now.
        taken_back = replace(jobs[2], status=JobStatus.COMPLETED, completed_at=ended.completed_at)
        assert not await job_store.mark_settled(taken_back)
        assert not await job_store.mark_settled(replace(taken_back, completed_at=None))
        assert await job_store.unsettled(QUEUE) == [jobs[2].job_id]
        assert await job_store.unsettled("backtest") == []

    async def test_workers_are_reported_once_each(self, job_store: JobStore) -> None:
        assert await job_store.workers() == []
        for name, slots in (("a", 4), ("b", 2), ("a", 4)):
            await job_store.report_worker(name, slots)
        found = await job_store.workers()
        assert sorted((w.name, w.slots, w.release) for w in found) == [("a", 4, None), ("b", 2, None)]
        assert all(abs(w.seen_at.timestamp() - time.time()) < 5 for w in found)

    async def test_only_a_worker_without_sign_off_is_listed_as_lost(self, bench: Bench) -> None:
        store = bench.store
        for name, silent_s in (("here", 10), ("lost", 25), ("lost too", 850), ("forgotten", 905)):
            await store.report_worker(name, 4)
            await bench.fall_silent(name, silent_s)
        assert ([w.name for w in await store.workers()], len(await store.list_lost())) == (["here"], 2)
        await store.report_worker("lost", 4)
        assert (len(await store.workers()), len(await store.list_lost())) == (2, 1)
        for name in ("here", "lost", "lost too", "never there"):
            await store.forget_worker(name, 4)
        assert (await store.workers(), await store.list_lost()) == ([], [])

    async def test_a_worker_tells_its_release(self, job_store: JobStore) -> None:
        await job_store.report_worker("a", 4, "r1")
        assert [(w.name, w.slots, w.release) for w in await job_store.workers()] == [("a", 4, "r1")]

    async def test_a_worker_s_facts_stay_until_it_goes(self, job_store: JobStore) -> None:
        facts = WorkerFacts("host", ("ingest", "日本"), datetime(2026, 11, 27, tzinfo=UTC), 412_000_256)
        await job_store.report_worker("a", 4, facts=facts)
        await job_store.report_worker("a", 4)
        await job_store.report_worker("b", 4, facts=replace(facts, memory_bytes=None))
        assert await job_store.load_facts(["a", "b", "c"]) == {"a": facts, "b": replace(facts, memory_bytes=None)}
        await job_store.forget_worker("a", 4)
        assert list(await job_store.load_facts(["a", "b"])) == ["b"]
        assert await job_store.load_facts([]) == {}

    async def test_a_running_chunk_has_its_claimant_and_its_job_s_owner(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0), make_chunk(1))
        await claimed(job_store, ref_of(job, 0), owner="w/1")
        (found,) = await job_store.load_running(QUEUE)
        assert (found.queue, found.job_id, found.n, found.owner, found.worker) == (QUEUE, job.job_id, "0", OWNER, "w/1")
        assert found.since == (await job_store.load_chunks(QUEUE, job.job_id))[0].runs[0].started_at
        assert await job_store.load_running("backtest") == []

    async def test_only_chunks_that_run_are_running(self, job_store: JobStore) -> None:
        job = await planned(job_store, make_chunk(0), make_chunk(1))
        assert await job_store.running(QUEUE) == 0
        claim = await claimed(job_store, ref_of(job, 0))
        assert (await job_store.running(QUEUE), await job_store.running("other")) == (1, 0)
        await job_store.end(claim.lease, Ending.DONE, finish(claim.chunk))
        assert await job_store.running(QUEUE) == 0

    async def test_the_epoch_is_missing_once(self, job_store: JobStore) -> None:
        assert await job_store.renew_epoch()
        assert not await job_store.renew_epoch()
        await job_store.ping()


class TestVersion:
    async def test_each_change_of_state_raises_it(self, job_store: JobStore) -> None:
        job = make_job()
        await job_store.put(job, [plan_step()])
        versions = [(await live(job_store, job)).version]
        claim = await claimed(job_store, ref_of(job))
        versions.append((await live(job_store, job)).version)
        await job_store.set_plan(claim.lease, {}, [make_chunk(0)])
        versions.append((await live(job_store, job)).version)
        await end(job_store, ref_of(job, 0), ["ok"] * 4)
        versions.append((await live(job_store, job)).version)
        assert versions == sorted(set(versions))
