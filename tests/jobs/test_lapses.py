"""Which leases are taken back, what is said of them, and when an attempt is given back: in both job stores."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from kaboom.jobs.model import ChunkState, JobStatus, Tally
from kaboom.jobs.redis.store import (
    MOST_RETURNS,
    Beat,
    Claim,
    Ended,
    Ending,
    JobStore,
    Lapse,
    Lease,
    Report,
    Seen,
    describe_lapses,
    judge_lapse,
)
from kaboom.jobs.redis.workers import WorkerFacts
from kaboom.jobs.runs import name_slot
from tests.fixtures.jobs.job_steps import claimed, live, planned
from tests.fixtures.jobs.job_stores import Bench
from tests.fixtures.jobs.jobs import QUEUE, advance, finish, make_chunk, make_job, plan_step, ref_of

pytestmark = pytest.mark.anyio
WORKER, SLOT = "worker-main@host:7-ab", name_slot("worker-main@host:7-ab", 1, pid=4711)


async def report(store: JobStore, *pids: int, is_in_process: bool = False) -> None:
    """Report the worker, with the processes of its pool that are alive."""
    facts = WorkerFacts("host", (QUEUE,), datetime(2026, 12, 1, tzinfo=UTC), pids=None if is_in_process else pids)
    await store.report_worker(WORKER, 4, facts=facts)


async def run_first(bench: Bench, *, owner: str = SLOT) -> Claim:
    """Claim the one chunk of a new job."""
    job = await planned(bench.store, make_chunk(0))
    return await claimed(bench.store, ref_of(job, 0), owner)


async def attempts(store: JobStore, lease: Lease) -> int:
    """Return how many attempts of a chunk count."""
    chunk = await store.load_chunk(lease.ref)
    assert chunk is not None
    return chunk.attempts


class TestLivingProcess:
    async def test_it_keeps_its_lease_without_a_heartbeat(self, bench: Bench) -> None:
        claim = await run_first(bench)
        await report(bench.store, 4711)
        await bench.lapse(claim.lease.ref)
        assert await bench.store.expire(QUEUE) == []
        assert await bench.store.beat(claim.lease, advance(claim.chunk, ["ok"])) is Beat.OK
        assert (await bench.store.end(claim.lease, Ending.DONE, finish(claim.chunk))).is_final

    async def test_it_loses_its_lease_when_it_hangs(self, bench: Bench) -> None:
        claim = await run_first(bench)
        await report(bench.store, 4711)
        await bench.hang(claim.lease.ref)
        (expired,) = await bench.store.expire(QUEUE)
        assert (expired.verdict, expired.seen) == ("queued", Seen.SILENT)
        (run,) = (await bench.store.load_chunks(QUEUE, claim.lease.ref.job_id))[0].runs
        assert run.reason == "the worker process was alive, but sent no heartbeat for 120 s"

    async def test_a_slot_of_a_single_process_lives_while_its_worker_reports(self, bench: Bench) -> None:
        claim = await run_first(bench, owner=name_slot(WORKER, 2))
        await report(bench.store, is_in_process=True)
        await bench.lapse(claim.lease.ref)
        assert await bench.store.expire(QUEUE) == []


class TestDeadProcess:
    async def test_one_that_its_worker_does_not_list_has_died(self, bench: Bench) -> None:
        claim = await run_first(bench)
        await report(bench.store, 4712)
        await bench.lapse(claim.lease.ref)
        assert [expired.seen for expired in await bench.store.expire(QUEUE)] == [Seen.DIED]

    @pytest.mark.parametrize("how", ["silent", "signed off", "never seen"])
    async def test_one_whose_worker_is_gone_is_taken_for_dead(self, bench: Bench, how: str) -> None:
        claim = await run_first(bench)
        if how != "never seen":
            await report(bench.store, 4711)
        if how == "silent":
            await bench.fall_silent(WORKER, 16)
        if how == "signed off":
            await bench.store.forget_worker(WORKER, 4)
        await bench.lapse(claim.lease.ref)
        assert [expired.seen for expired in await bench.store.expire(QUEUE)] == [Seen.GONE]

    async def test_three_deaths_end_a_chunk_and_the_text_says_what_was_seen(self, bench: Bench) -> None:
        job = await planned(bench.store, make_chunk(0))
        for n, pids in enumerate([(), (), (13,)], start=11):
            claim = await claimed(bench.store, ref_of(job, 0), name_slot(WORKER, 1, pid=n))
            await report(bench.store, *pids)
            await (bench.hang if pids else bench.lapse)(claim.lease.ref)
            await bench.store.expire(QUEUE)
        (chunk,) = await bench.store.load_chunks(QUEUE, job.job_id)
        assert chunk.state is ChunkState.DEAD
        assert chunk.error == (
            f"given up after 3 attempts: in 2 of 3 attempts the worker process died (last: {WORKER}/1:12);"
            f" in 1 of 3 attempts the worker process was alive, but sent no heartbeat for 120 s (last: {WORKER}/1:13)"
        )
        assert (await live(bench.store, job)).status is JobStatus.FAILED


class TestReturn:
    async def test_a_process_that_comes_back_gets_its_attempt_back(self, bench: Bench) -> None:
        claim = await run_first(bench)
        await bench.lose(claim.lease.ref)
        assert await attempts(bench.store, claim.lease) == 1
        for _ in range(2):
            assert await bench.store.beat(claim.lease, finish(claim.chunk)) is Beat.LOST
            assert await attempts(bench.store, claim.lease) == 0
        again = await claimed(bench.store, claim.lease.ref, "w2")
        assert (again.chunk.attempts, again.chunk.tally) == (1, claim.chunk.tally)

    @pytest.mark.parametrize("how", ["end", "set_plan", "fail"])
    async def test_a_late_end_gives_the_attempt_back_too(self, bench: Bench, how: str) -> None:
        job = make_job()
        await bench.store.put(job, [plan_step()])
        lease = (await claimed(bench.store, ref_of(job))).lease
        await bench.lose(lease.ref)
        assert await attempts(bench.store, lease) == 1
        if how == "end":
            ended = await bench.store.end(lease, Ending.BROKEN, Tally(), error="x")
        elif how == "fail":
            ended = await bench.store.fail(lease, {"type": "x", "message": "y"})
        else:
            ended = await bench.store.set_plan(lease, {}, [])
        assert ended == Ended(is_accepted=False)
        assert await attempts(bench.store, lease) == 0

    async def test_the_one_that_runs_by_now_is_not_disturbed(self, bench: Bench) -> None:
        claim = await run_first(bench)
        await bench.lose(claim.lease.ref)
        again = await claimed(bench.store, claim.lease.ref, "w2")
        assert await bench.store.end(claim.lease, Ending.DONE, finish(claim.chunk)) == Ended(is_accepted=False)
        assert await attempts(bench.store, claim.lease) == 1
        assert await bench.store.beat(again.lease, again.chunk.tally) is Beat.OK

    @pytest.mark.parametrize("call", [
        lambda store, lease: store.set_plan(lease, {"by": "late"}, [make_chunk(0)]),
        lambda store, lease: store.fail(lease, {"type": "late"}),
        lambda store, lease: store.end(lease, Ending.RELEASED, Tally()),
    ])  # fmt: skip
    async def test_a_planner_that_comes_back_gets_its_attempt_back(
        self, bench: Bench, call: Callable[..., object]
    ) -> None:
        job = make_job()
        await bench.store.put(job, [plan_step()])
        claim = await claimed(bench.store, ref_of(job))
        await bench.lose(ref_of(job))
        assert await call(bench.store, claim.lease) == Ended(is_accepted=False)  # type: ignore[misc]
        assert (await claimed(bench.store, ref_of(job))).chunk.attempts == 1
        assert (await live(bench.store, job)).plan is None

    async def test_a_chunk_that_was_given_up_stays_so(self, bench: Bench) -> None:
        job = await planned(bench.store, make_chunk(0))
        claims = []
        for n in range(3):
            claims.append(await claimed(bench.store, ref_of(job, 0), f"w{n}"))
            await bench.lose(ref_of(job, 0))
        for claim in claims:
            assert await bench.store.beat(claim.lease, finish(claim.chunk)) is Beat.LOST
        (chunk,) = await bench.store.load_chunks(QUEUE, job.job_id)
        assert (chunk.state, chunk.attempts) == (ChunkState.DEAD, 3)

    async def test_what_a_handler_raised_still_counts(self, bench: Bench) -> None:
        claim = await run_first(bench)
        await bench.store.end(claim.lease, Ending.BROKEN, claim.chunk.tally, error="boom")
        assert await bench.store.beat(claim.lease, claim.chunk.tally) is Beat.LOST
        assert await attempts(bench.store, claim.lease) == 1

    async def test_a_chunk_that_freezes_its_worker_each_time_ends(self, bench: Bench) -> None:
        job, runs = await planned(bench.store, make_chunk(0)), 0
        while not (await live(bench.store, job)).status.is_final:
            claim = await claimed(bench.store, ref_of(job, 0))
            await bench.lose(ref_of(job, 0))
            assert await bench.store.beat(claim.lease, claim.chunk.tally) is Beat.LOST
            runs += 1
        assert runs == MOST_RETURNS + 3


@pytest.mark.parametrize(("age_s", "silent_s", "seen"), [
    (15.0, 15.0, None), (15.1, 15.0, Seen.GONE), (0.0, 120.0, None), (0.0, 120.1, Seen.SILENT),
])  # fmt: skip
def test_silence_is_judged_at_its_bounds(age_s: float, silent_s: float, seen: Seen | None) -> None:
    assert judge_lapse(SLOT, silent_s, Report(age_s, (4711,))) is seen


def test_a_process_that_is_younger_than_the_report_is_waited_for() -> None:
    assert judge_lapse(SLOT, 15.0, Report(13.0, (4712,))) is None
    assert judge_lapse(SLOT, 15.1, Report(13.0, (4712,))) is Seen.DIED


def test_a_worker_of_the_release_before_does_not_say_who_lives() -> None:
    """Then its processes are judged by their lease alone, as before."""
    assert judge_lapse(SLOT, 15.0, Report(1.0, None)) is Seen.DIED


def test_lapses_are_counted_by_what_was_seen() -> None:
    lapses = [Lapse("1", "a", "x"), Lapse("2", "b", "y"), Lapse("3", "c", "x")]
    assert describe_lapses(lapses, 4) == "in 2 of 4 attempts x (last: c); in 1 of 4 attempts y (last: b)"
    assert describe_lapses([], 4) == ""
