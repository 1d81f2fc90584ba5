"""The memory twin equals the Redis store: the same commands, step by step the same visible results."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kaboom.jobs.model import PLAN, TRANSITIONS, Chunk, ChunkState, Job, JobStatus, Tally
from kaboom.jobs.redis.store import Beat, ChunkRef, Claim, Ending, Expired, Lease
from kaboom.jobs.redis.workers import WorkerFacts
from tests.fixtures.jobs.job_steps import assert_accounts
from tests.fixtures.jobs.job_stores import Bench, memory_bench, redis_bench
from tests.fixtures.jobs.jobs import QUEUE, advance, make_chunk, make_job, plan_step, ref_of

OUTCOMES = st.lists(st.sampled_from(["ok", "no_trades", "invalid", "write_failed"]), max_size=4)
SIZES = st.lists(st.integers(1, 4), min_size=2, max_size=3)
STATES = st.sampled_from([ChunkState.QUEUED, ChunkState.DONE, ChunkState.CANCELLED])
CANCELLING = JobStatus.CANCELLING
PICK = st.integers(0, 11)
#: Few jobs of few chunks: so that commands meet on one.
MOST_JOBS = 2
#: Who claims: a worker that never reports, and two processes of one that does.
OWNERS = ("w1", "w2/1:11", "w2/2:12")


@dataclass(frozen=True)
class Grant:
    """The same claim in both stores: their leases, and the chunk."""

    leases: tuple[Lease, Lease]
    chunk: Chunk


def visible(job: Job | None) -> dict[str, Any] | None:
    """Return what a caller sees, of times only whether they are there."""
    if job is None:
        return None
    seen = asdict(job)
    # The rate depends on how long the calls took.
    del seen["version"], seen["rate"], seen["rate_spread"]
    for name in ("requested_at", "started_at", "completed_at", "updated_at", "paused_until"):
        seen[name] = seen[name] is not None
    return seen


def visible_runs(chunk: Chunk) -> list[dict[str, Any]]:
    """Return the runs of a chunk, of times only whether they are there."""
    shown = [asdict(run) for run in chunk.runs]
    return [run | {name: run[name] is not None for name in run if name.endswith(("_at", "_until"))} for run in shown]


def sum_up(expired: list[Expired]) -> tuple[list[tuple[str, str, str, str]], set[str]]:
    """Return the verdicts in any order, and the jobs that became final."""
    verdicts = sorted((e.ref.job_id, e.ref.n, e.verdict, e.seen) for e in expired)
    return verdicts, {e.ref.job_id for e in expired if e.is_final}


#: A wait that ends only where a rule ends it: the clocks of two stores would not agree to the millisecond.
FAR_S = 1000.0


class Twins(RuleBasedStateMachine):
    """Drives both stores. Rules pick what exists by number, so that few commands miss."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._redis: Bench = self._run(self._stack.enter_async_context(redis_bench(self.url, retry_s=FAR_S)))
        self._memory = memory_bench(retry_s=FAR_S)
        self._jobs: dict[str, Job] = {}
        self._statuses: dict[str, JobStatus] = {}
        self._latest: dict[ChunkRef, Grant] = {}
        self._older: list[Grant] = []

    def teardown(self) -> None:
        self._run(self._stack.aclose())
        self._runner.close()

    @initialize(sizes=SIZES)
    def start(self, sizes: list[int]) -> None:
        self.put()
        self.claim(2)
        self.plan(0, sizes)

    @precondition(lambda self: len(self._jobs) < MOST_JOBS)
    @rule()
    def put(self) -> None:
        self._put(make_job(), [plan_step()])

    @precondition(lambda self: len(self._jobs) < MOST_JOBS)
    @rule(sizes=SIZES, states=st.lists(STATES, min_size=3), status=st.sampled_from([JobStatus.RUNNING, CANCELLING]))
    def restore(self, sizes: list[int], states: list[ChunkState], status: JobStatus) -> None:
        fresh = [make_chunk(n, size) for n, size in enumerate(sizes)]
        chunks = [
            replace(chunk, state=state, tally=advance(chunk, ["ok"] * (len(chunk.items) * (state is ChunkState.DONE))))
            for chunk, state in zip(fresh, states, strict=False)
        ]
        self._put(make_job(status=status, plan={"provider": "file"}), [plan_step(ChunkState.DONE), *chunks])

    @rule(pick=PICK, outcomes=OUTCOMES, ending=st.none() | st.sampled_from(Ending))
    def work(self, pick: int, outcomes: list[str], ending: Ending | None) -> None:
        self.claim(pick)
        grant = self._latest.get(self._ref(pick))
        if grant is not None:
            self.they_look_the_same_and_every_item_is_counted()
            self._end(grant, outcomes, ending)

    @rule(pick=PICK)
    def claim(self, pick: int) -> None:
        ref = self._ref(pick)
        answers = self._both("claim", ref, owner=OWNERS[pick % len(OWNERS)])
        if not isinstance(answers[0], Claim):
            agreed(answers)
            return
        agreed([(a.chunk, a.task, a.request, a.plan) for a in answers])
        if ref in self._latest:
            self._older.append(self._latest[ref])
        self._latest[ref] = Grant((answers[0].lease, answers[1].lease), answers[0].chunk)

    @precondition(lambda self: self._latest)
    @rule(pick=PICK, outcomes=OUTCOMES)
    def beat(self, pick: int, outcomes: list[str]) -> None:
        self._each("beat", self._grant(pick), settled(self._grant(pick), outcomes))

    @precondition(lambda self: self._latest)
    @rule(pick=PICK, outcomes=OUTCOMES, ending=st.sampled_from(Ending), pause_s=st.sampled_from([0.0, FAR_S]))
    def end(self, pick: int, outcomes: list[str], ending: Ending, pause_s: float) -> None:
        self._end(self._grant(pick), outcomes, ending, pause_s=pause_s)

    @precondition(lambda self: self._older)
    @rule(pick=PICK, ending=st.sampled_from(Ending))
    def come_late(self, pick: int, ending: Ending) -> None:
        grant = self._older[pick % len(self._older)]
        self._each("beat", grant, settled(grant, ["invalid"]))
        self._each("end", grant, ending, settled(grant, ["invalid"] * 4))

    @rule(pick=PICK, sizes=SIZES)
    def plan(self, pick: int, sizes: list[int]) -> None:
        ref = ref_of(self._job(pick))
        grant = self._latest.get(ref)
        if grant is not None and (self._is_running(ref) or pick > 9):
            chunks = [make_chunk(n, size) for n, size in enumerate(sizes)]
            self._each("set_plan", grant, {"provider": "synthetic"}, chunks)

    @rule(pick=PICK, order=st.integers(0, 9))
    def interfere(self, pick: int, order: int) -> None:
        # Mostly nothing: a job that was stopped has nothing more to tell.
        job = self._job(pick)
        grant = self._latest.get(ref_of(job))
        if order == 9:
            agreed([visible(found) for found in self._both("cancel", job.queue, job.job_id)])
        elif order == 8 and grant is not None:
            self._each("fail", grant, {"type": "InvalidRequest", "message": "no"})
        elif order == 7:
            agreed(self._both("forget", job.queue, job.job_id))
            self._statuses.pop(job.job_id, None)
        elif order == 6:
            agreed(self._both("put", job, [plan_step()]))

    @precondition(lambda self: self._latest)
    @rule(
        pick=PICK,
        hand=st.sampled_from(["lapse", "lapse", "hang"]),
        pids=st.none() | st.sets(st.sampled_from([11, 12])),
        sweep=st.booleans(),
    )
    def lapse(self, pick: int, hand: str, pids: set[int] | None, *, sweep: bool) -> None:
        self._turn_clock(hand, self._grant(pick).leases[0].ref)
        if sweep:
            # Right before: how old a report is must not depend on how busy this machine is.
            self._report(pids)
            agreed([sum_up(expired) for expired in self._both("expire", QUEUE)])

    @rule(pick=PICK, older_than_s=st.sampled_from([0.0, 600.0]))
    def take_due(self, pick: int, older_than_s: float) -> None:
        self._turn_clock("make_due", self._ref(pick))
        agreed([set(due) for due in self._both("take_due", QUEUE, older_than_s=older_than_s)])

    @rule(pick=PICK)
    def take_retries(self, pick: int) -> None:
        self._turn_clock("make_due", self._ref(pick))
        agreed([set(found) for found in self._both("take_retries", QUEUE)])

    @invariant()
    def they_look_the_same_and_every_item_is_counted(self) -> None:
        jobs = self._both("load", QUEUE, list(self._jobs))
        agreed([[visible(job) for job in found] for found in jobs])
        agreed(self._both("newest", QUEUE))
        for job in (job for job in jobs[0] if job):
            chunks = self._both("load_chunks", QUEUE, job.job_id)
            agreed(chunks)
            agreed([[visible_runs(chunk) for chunk in found] for found in chunks])
            assert_accounts(job)
            before = self._statuses.get(job.job_id, job.status)
            assert job.status is before or job.status in TRANSITIONS[before], (before, job.status)
            self._statuses[job.job_id] = job.status

    def _report(self, pids: set[int] | None) -> None:
        """Report the worker with its living processes; with None it has signed off."""
        if pids is None:
            self._both("forget_worker", "w2", 2)
            return
        facts = WorkerFacts("host", (QUEUE,), datetime(2026, 12, 1, tzinfo=UTC), pids=tuple(sorted(pids)))
        self._both("report_worker", "w2", 2, facts=facts)

    def _end(self, grant: Grant, outcomes: list[str], ending: Ending | None, *, pause_s: float = 0.0) -> None:
        is_to_stop = self._each("beat", grant, settled(grant, outcomes[:2])) is Beat.CANCEL
        # What a worker never does: end a plan step as done, or cancel what nobody cancelled.
        is_wrong = grant.chunk.n == PLAN if ending is Ending.DONE else not is_to_stop
        if ending is None or (ending in {Ending.DONE, Ending.CANCELLED} and is_wrong):
            return
        # Only a chunk whose every item is settled is done.
        rest = ["ok"] * 4 if ending is Ending.DONE else []
        self._each("end", grant, ending, settled(grant, [*outcomes, *rest]), error="boom", pause_s=pause_s)

    def _put(self, job: Job, chunks: list[Chunk]) -> None:
        assert agreed(self._both("put", job, chunks))
        self._jobs[job.job_id] = job

    def _job(self, pick: int) -> Job:
        return list(self._jobs.values())[pick % len(self._jobs)]

    def _ref(self, pick: int) -> ChunkRef:
        refs = [ref_of(job, n) for n in (0, 1, PLAN, 2) for job in self._jobs.values()]
        return refs[pick % len(refs)]

    def _grant(self, pick: int) -> Grant:
        # Mostly one that still runs: any other is refused, and once seen refused that is dull.
        running = [grant for ref, grant in self._latest.items() if self._is_running(ref)]
        grants = running if running and pick < 9 else list(self._latest.values())
        return grants[pick % len(grants)]

    def _is_running(self, ref: ChunkRef) -> bool:
        slot = self._slot(ref)
        return slot is not None and slot.chunk.state is ChunkState.RUNNING

    def _slot(self, ref: ChunkRef) -> Any:
        record = self._memory.store._records.get((ref.queue, ref.job_id))  # type: ignore[attr-defined]
        return record.slots.get(ref.n) if record else None

    def _turn_clock(self, hand: str, ref: ChunkRef) -> None:
        if self._slot(ref) is not None:
            self._run(getattr(self._redis, hand)(ref))
            self._run(getattr(self._memory, hand)(ref))

    def _run[T](self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def _both(self, method: str, *arguments: Any, **keywords: Any) -> list[Any]:
        async def ask() -> list[Any]:
            return [await getattr(b.store, method)(*arguments, **keywords) for b in (self._redis, self._memory)]

        return self._run(ask())

    def _each(self, method: str, grant: Grant, *arguments: Any, **keywords: Any) -> Any:
        async def ask() -> list[Any]:
            pairs = zip((self._redis, self._memory), grant.leases, strict=True)
            return [await getattr(b.store, method)(lease, *arguments, **keywords) for b, lease in pairs]

        return agreed(self._run(ask()))


def settled(grant: Grant, outcomes: list[str]) -> Tally:
    """Return the chunk's tally after some more items, as many as it has."""
    left = len(grant.chunk.items) - grant.chunk.tally.cursor
    return advance(grant.chunk, outcomes[:left])


def agreed(answers: list[Any]) -> Any:
    """Return the one answer of both."""
    redis, memory = answers
    assert redis == memory
    return redis


def test_the_memory_twin_equals_the_redis_store(redis_url: str) -> None:
    class OnThisRedis(Twins):
        url = redis_url

    run_state_machine_as_test(
        OnThisRedis,
        settings=settings(
            max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
