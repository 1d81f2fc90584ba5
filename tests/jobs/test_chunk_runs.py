"""Each run of a chunk is recorded from its claim to its end, in both job stores, and kept by both ledgers."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kaboom.jobs.model import Chunk, ChunkState, JobStatus
from kaboom.jobs.postgres.port import JobHistory, Terms
from kaboom.jobs.redis.store import Ending, JobStore
from kaboom.jobs.runs import REASON_KEPT, RUNS_KEPT, ChunkRun, Pause, find_pauses, name_slot, split_slot
from tests.fixtures.jobs.job_steps import claimed, planned
from tests.fixtures.jobs.job_stores import Bench
from tests.fixtures.jobs.jobs import QUEUE, advance, finish, make_chunk, make_job, ref_of

pytestmark = pytest.mark.anyio
AT = datetime(2026, 11, 27, 7, 35, tzinfo=UTC)


async def runs_of(store: JobStore, job_id: str, n: int = 0) -> tuple[ChunkRun, ...]:
    chunks = await store.load_chunks(QUEUE, job_id)
    (chunk,) = [each for each in chunks if each.n == str(n)]
    one = await store.load_chunk(ref_of(make_job(job_id=job_id), n))
    assert one is not None
    assert one.runs == chunk.runs
    return chunk.runs


async def test_a_run_has_its_worker_and_its_times(job_store: JobStore) -> None:
    job = await planned(job_store, make_chunk(0))
    claim = await claimed(job_store, ref_of(job, 0), owner="w1/2")
    (run,) = await runs_of(job_store, job.job_id)
    assert (run.run, run.worker, run.ended_at, run.ending, run.settled) == (1, "w1/2", None, "", 0)
    assert abs((datetime.now(UTC) - run.started_at).total_seconds()) < 5
    ended = await job_store.end(claim.lease, Ending.DONE, advance(claim.chunk, ["ok", "ok", "invalid", "ok"]))
    (run,) = await runs_of(job_store, job.job_id)
    assert ended.runs == (run,)
    assert (run.ending, run.settled_before, run.settled, run.failed, run.reason) == ("done", 0, 4, 1, "")
    assert run.ended_at is not None
    assert run.ended_at >= run.started_at


async def test_later_runs_count_only_their_own_items(bench: Bench) -> None:
    store = bench.store
    job = await planned(store, make_chunk(0, 6))
    first = await claimed(store, ref_of(job, 0))
    await store.end(first.lease, Ending.BROKEN, advance(first.chunk, ["ok", "invalid"]), error="disk full")
    second = await claimed(store, ref_of(job, 0), owner="w2")
    await store.beat(second.lease, advance(second.chunk, ["ok", "invalid"]))
    await bench.lapse(ref_of(job, 0))
    await store.expire(QUEUE)
    third = await claimed(store, ref_of(job, 0), owner="w3")
    await store.end(third.lease, Ending.DONE, finish(third.chunk))
    shown = [
        (r.run, r.worker, r.ending, r.settled_before, r.settled, r.failed, r.reason)
        for r in await runs_of(store, job.job_id)
    ]
    assert shown == [
        (1, "w1", "broken", 0, 2, 1, "disk full"),
        (2, "w2", "expired", 2, 2, 1, "the worker was not heard of for 15 s"),
        (3, "w3", "done", 4, 2, 0, ""),
    ]


async def test_the_reason_of_a_run_is_cut(job_store: JobStore) -> None:
    job = await planned(job_store, make_chunk(0))
    claim = await claimed(job_store, ref_of(job, 0))
    await job_store.end(claim.lease, Ending.FAILED, claim.chunk.tally, error="x" * 3000)
    (last,) = await runs_of(job_store, job.job_id)
    assert (last.ending, last.reason) == ("failed", "x" * REASON_KEPT)


@pytest.mark.parametrize("ending", [Ending.RELEASED, Ending.WAITING])
async def test_a_chunk_put_off_says_until_when_and_why(job_store: JobStore, ending: Ending) -> None:
    job = await planned(job_store, make_chunk(0))
    claim = await claimed(job_store, ref_of(job, 0))
    await job_store.end(claim.lease, ending, claim.chunk.tally, error="the provider answered 429", pause_s=12)
    (run,) = await runs_of(job_store, job.job_id)
    assert (run.ending, run.reason) == (ending, "the provider answered 429")
    assert run.ended_at is not None
    assert run.paused_until == run.ended_at + timedelta(seconds=12)


async def test_a_chunk_of_a_job_that_was_cancelled_ends_so(job_store: JobStore) -> None:
    job = await planned(job_store, make_chunk(0), make_chunk(1))
    claims = [await claimed(job_store, ref_of(job, n)) for n in (0, 1)]
    await job_store.cancel(QUEUE, job.job_id)
    await job_store.end(claims[0].lease, Ending.CANCELLED, claims[0].chunk.tally)
    await job_store.end(claims[1].lease, Ending.RELEASED, claims[1].chunk.tally, error="stopping", pause_s=5)
    for n in (0, 1):
        (run,) = await runs_of(job_store, job.job_id, n)
        assert (run.ending, run.paused_until) == ("cancelled", None)


async def test_the_newest_runs_are_kept(job_store: JobStore) -> None:
    job = await planned(job_store, make_chunk(0))
    for _ in range(RUNS_KEPT + 3):
        claim = await claimed(job_store, ref_of(job, 0))
        await job_store.end(claim.lease, Ending.WAITING, claim.chunk.tally, error="日本" * 300)
    runs = await runs_of(job_store, job.job_id)
    assert [run.run for run in runs] == list(range(4, RUNS_KEPT + 4))


async def test_an_end_that_is_repeated_or_refused_adds_nothing(bench: Bench) -> None:
    store = bench.store
    job = await planned(store, make_chunk(0), make_chunk(1))
    claim = await claimed(store, ref_of(job, 0))
    answers = [await store.end(claim.lease, Ending.DONE, finish(claim.chunk)) for _ in range(2)]
    assert answers[0].runs == answers[1].runs == await runs_of(store, job.job_id)
    stale = replace(claim.lease, fence="0:none")
    assert (await store.end(stale, Ending.DONE, finish(claim.chunk))).runs == ()


async def test_a_restored_chunk_keeps_its_runs(job_store: JobStore) -> None:
    whole = make_chunk(0)
    run = ChunkRun(3, "w1/1", AT, AT + timedelta(seconds=2), "done", settled_before=1, settled=3, reason="日本")
    done = replace(whole, state=ChunkState.DONE, tally=finish(whole), runs=(run,))
    job = make_job(status=JobStatus.RUNNING, plan={})
    await job_store.put(job, [Chunk("plan", (), {}, state=ChunkState.DONE), done, make_chunk(1)])
    assert await runs_of(job_store, job.job_id) == (run,)
    assert await runs_of(job_store, job.job_id, 1) == ()


async def test_the_ledger_saves_runs_when_a_chunk_or_job_ends(ledger: JobHistory) -> None:
    job = (await ledger.admit(make_job(), Terms("test"))).job
    chunks = [make_chunk(n) for n in range(3)]
    await ledger.save_plan(job.job_id, {}, chunks)
    runs = tuple(ChunkRun(n, "w1/1", AT, AT + timedelta(seconds=n), "done", settled=4) for n in (1, 2))
    done = [replace(c, state=ChunkState.DONE, tally=finish(c), runs=runs) for c in chunks]
    await ledger.save_chunk(job.job_id, done[0])
    # The end of a chunk that was kept without its runs, by a worker of the release before.
    await ledger.save_chunk(job.job_id, replace(done[1], runs=()))
    assert [c.runs for c in await ledger.load_chunks(job.job_id)] == [runs, (), ()]
    await ledger.save_final(replace(job, plan={}, status=JobStatus.COMPLETED, completed_at=AT), done)
    assert [c.runs for c in await ledger.load_chunks(job.job_id)] == [runs] * 3


async def test_claims_that_race_make_one_run(job_store: JobStore) -> None:
    job = await planned(job_store, make_chunk(0))
    await asyncio.gather(*(job_store.claim(ref_of(job, 0), owner=f"w{n}") for n in range(10)))
    assert len(await runs_of(job_store, job.job_id)) == 1


def paused(begins_s: float, ends_s: float, reason: str) -> ChunkRun:
    at = AT + timedelta(seconds=begins_s)
    return ChunkRun(1, "w", AT, at, "released", reason=reason, paused_until=AT + timedelta(seconds=ends_s))


def test_pauses_that_overlap_are_one() -> None:
    runs = [paused(30, 42, "c"), paused(1, 5, "b"), paused(0, 12, "a"), paused(10, 20, "b"), ChunkRun(1, "w", AT)]
    # The next one begins as the last one ends.
    runs.append(paused(42, 45, "d"))
    wanted = [(0, 20, "a"), (30, 45, "c")]
    assert find_pauses(runs) == [
        Pause(AT + timedelta(seconds=begins), AT + timedelta(seconds=ends), reason) for begins, ends, reason in wanted
    ]


@pytest.mark.parametrize("worker", ["worker-main@host:12-ab", "a/b"])
@pytest.mark.parametrize("pid", [None, 4711])
def test_a_slot_is_found_again_behind_any_name(worker: str, pid: int | None) -> None:
    assert split_slot(name_slot(worker, 3, pid=pid)) == (worker, 3)
    assert split_slot(worker) == (worker, None)
