"""Run one chunk: claim it, keep the lease, call its handler with a `Run`, end the run; plans and long chunks."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, cast

import structlog

from kaboom.drivers.postgres.database import Database
from kaboom.drivers.retry import retry_while_unavailable
from kaboom.drivers.stop import is_being_cancelled
from kaboom.errors import RateLimited, StoreError
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.run.completion import (
    HandBack,
    Settled,
    check_answer,
    check_plan,
    end_broken,
    end_cancelled,
    end_done,
    end_paused,
    is_out_of_memory,
    is_worth_a_line,
    measure,
)
from kaboom.jobs.engine.run.heartbeat import STALL_S, LeaseKeeper
from kaboom.jobs.engine.settle import settle_or_leave, show_started
from kaboom.jobs.job_type import load_function
from kaboom.jobs.model import PLAN, Chunk, ItemNote, JobStatus, Tally
from kaboom.jobs.postgres.files import JobFiles
from kaboom.jobs.postgres.port import OwnHistory
from kaboom.jobs.records import as_stored, chunk_as_stored, fit_for_both_stores
from kaboom.jobs.redis.store import ChunkRef, Claim, Refusal
from kaboom.market.outcome import Outcome, OutcomeReport
from kaboom.telemetry.traces import span

if TYPE_CHECKING:
    from kaboom.settings import AppSettings


#: How long a claim is tried again while Redis is unavailable; the chunk's message is sent again after that.
_CLAIM_PATIENCE_S = 8.0

_log = structlog.get_logger(__name__)
#: The cause is sent with every report of progress, so it is kept short.
_LONGEST_CAUSE = 500
#: The count in a tally of the seconds that a chunk has waited for its provider; a job adds its chunks up.
_WAITED = "provider_wait_s"


@dataclass(frozen=True, slots=True)
class Run:
    """The argument of a handler: the claimed chunk, and the methods to report."""

    parts: Parts
    claim: Claim
    keeper: LeaseKeeper

    @property
    def chunk(self) -> Chunk:
        """The chunk, with the tally of earlier claims."""
        return self.claim.chunk

    @property
    def request(self) -> Mapping[str, Any]:
        """The job's request, without its tags, which no handler reads."""
        return {name: value for name, value in self.claim.request.items() if name != "tags"}

    @property
    def owner(self) -> str:
        """Who submitted the job."""
        return self.claim.owner

    @property
    def plan(self) -> Mapping[str, Any]:
        """The job's plan; {} in the plan step itself."""
        return self.claim.plan or {}

    @property
    def settings(self) -> "AppSettings":
        """The settings of the worker."""
        return self.parts.settings

    @property
    def database(self) -> Database:
        """The database in which features open their stores."""
        return self.parts.database

    @property
    def files(self) -> JobFiles:
        """The files of jobs, of all owners."""
        return self.parts.files

    @property
    def history(self) -> OwnHistory:
        """The jobs of the owner."""
        return OwnHistory(self.parts.history, self.owner)

    def report(self, tally: Tally) -> None:
        """Report progress.

        Raises:
            TypeError: the tally is not JSON.

        """
        self.keeper.report(fit_for_both_stores(tally))

    def should_stop(self) -> bool:
        """Return whether the job was cancelled: the handler must then settle no more items, and return its tally."""
        return self.keeper.is_cancelled

    async def finish(self, answer: Settled) -> None:
        """End a job without chunks: save its result in the ledger (the first one wins), then in Redis.

        Raises:
            StoreError: a store is unavailable; the step is retried later.

        """
        await self.fan_out({}, answer.to_chunks(), result=answer.result.model_dump(mode="json"))

    async def fan_out(
        self, plan: Mapping[str, Any], chunks: list[Chunk], *, result: Mapping[str, Any] | None = None
    ) -> None:
        """End the plan step: save the plan in the ledger (the first one wins), then in Redis, then send the chunks.

        Raises:
            StoreError: a store is unavailable; the step waits for it.
            TypeError: the plan is not JSON; nothing was saved.

        """
        job_id = self.claim.lease.ref.job_id
        # Serialise once, so that both stores get the same plan, or neither gets one.
        plan, chunks = as_stored(plan), [chunk_as_stored(chunk) for chunk in chunks]
        kept_plan, kept = await self.parts.history.save_plan(job_id, plan, chunks, result=result)
        if result is not None:
            kept_job = await self.parts.history.load(self.claim.lease.ref.queue, job_id)
            result = kept_job.result if kept_job else None
        # Try again: if only the answer was lost, Redis has the plan, but its chunks would wait for the reaper.
        with self.keeper.ending():
            ended = await retry_while_unavailable(
                lambda: self.parts.store.set_plan(self.claim.lease, kept_plan, kept, result=result),
                for_s=_CLAIM_PATIENCE_S,
            )
        _log.info("job_planned", chunks=len(kept), accepted=ended.is_accepted)
        if ended.is_accepted and not ended.is_final:
            waiting = [chunk.n for chunk in kept if not chunk.state.is_final]
            await self._announce([ChunkRef(self.claim.lease.ref.queue, job_id, n) for n in waiting])
        # A plan without chunks ends the job, and so does the plan of a job that was cancelled in the meantime.
        await settle_or_leave(self.parts, self.claim.lease.ref.queue, job_id, is_final=ended.is_final)

    async def _announce(self, refs: list[ChunkRef]) -> None:
        try:
            await self.parts.dispatcher.send(self.claim.task, refs)
        except StoreError as e:
            # The plan step has ended: the reaper sends the chunks that nobody claims.
            _log.warning("dispatch_delayed", reason=e.message)


async def perform(
    parts: Parts, ref: ChunkRef, *, stall_s: float = STALL_S, on_memory_error: Callable[[], None] = lambda: None
) -> str:
    """Run one chunk if it can be claimed; return how it ended. A failed chunk raises nothing.

    A handler that reports nothing for `stall_s` seconds is stopped; one without memory calls `on_memory_error`.
    """
    claim = await retry_while_unavailable(lambda: parts.store.claim(ref, owner=parts.name), for_s=_CLAIM_PATIENCE_S)
    if isinstance(claim, Refusal):
        return claim.value
    words = {"job_id": ref.job_id, "chunk": ref.n, "task": claim.task, "queue": ref.queue}
    job_type = parts.catalog.get(claim.task)
    name = job_type.name if ref.n == PLAN else job_type.queue.chunk_name
    keeper = LeaseKeeper(parts.store, claim.lease, claim.chunk.tally, stall_s=stall_s)
    with structlog.contextvars.bound_contextvars(**words), span(name, job_id=ref.job_id, chunk=ref.n):
        return await measure(_run(parts, claim, keeper, on_memory_error), name, claim, keeper)


async def _run(parts: Parts, claim: Claim, keeper: LeaseKeeper, on_memory_error: Callable[[], None]) -> str:
    _log_start(claim)
    await show_started(parts, claim)
    try:
        async with keeper:
            keeper.tally = tally = fit_for_both_stores(await _handle(Run(parts, claim, keeper)))
    except asyncio.CancelledError:
        return await end_cancelled(parts, claim, keeper)
    except HandBack as word:
        return await end_paused(parts, claim, keeper, word)
    except Exception as e:  # noqa: BLE001  any exception must end the chunk
        if is_being_cancelled():
            # The handler failed while it was being cancelled. As an ordinary failure it would hide the cancel, and the
            # process would wait for this task forever.
            return await end_cancelled(parts, claim, keeper, e)
        if is_out_of_memory(e):
            on_memory_error()
        return await end_broken(parts, claim, keeper, e)
    if claim.chunk.n == PLAN:
        return "planned"
    return await end_done(parts, claim, keeper, tally)


def _log_start(claim: Claim) -> None:
    if not is_worth_a_line(claim):
        return
    if claim.chunk.n == PLAN:
        _log.info("plan_started", attempt=claim.chunk.attempts)
    else:
        done_before = {"settled": claim.chunk.tally.cursor} if claim.chunk.tally.cursor else {}
        _log.info("chunk_started", items=len(claim.chunk.items), attempt=claim.chunk.attempts, **done_before)


async def _handle(run: Run) -> Tally:
    job_type = run.parts.catalog.get(run.claim.task)
    if run.chunk.n != PLAN:
        run_chunk = await load_function(job_type.run_chunk)
        return cast("Tally", await run_chunk(run))
    # Before the provider is asked: with an unavailable ledger the plan could not be saved.
    await run.parts.history.save_status(run.claim.lease.ref.job_id, JobStatus.RUNNING)
    plan_step = await load_function(job_type.plan_step)
    answer = await plan_step(run)
    if job_type.run:
        await run.finish(check_answer(job_type, answer))
    return run.chunk.tally


def add_report(base: Tally, report: OutcomeReport) -> Tally:
    """Return the tally after some more items; each item that is not a plain success gets a note."""
    fine = sum(o.outcome.is_fine for o in report.outcomes)
    return Tally(
        cursor=base.cursor + len(report.outcomes),
        done=base.done + fine,
        failed=base.failed + len(report.outcomes) - fine,
        written=base.written + sum(o.outcome is Outcome.OK for o in report.outcomes),
        rows=base.rows + report.rows,
        outcomes=_sum(base.outcomes, Counter(o.outcome.value for o in report.outcomes)),
        counts=_sum(base.counts, report.counts),
        notes=base.notes + tuple(_notes(report)),
        cause=base.cause or _first_cause(report),
    )


def _notes(report: OutcomeReport) -> Iterator[ItemNote]:
    for o in report.outcomes:
        if o.outcome is not Outcome.OK or o.message:
            yield ItemNote(o.symbol, o.outcome.value, o.message, o.attempts)


def _first_cause(report: OutcomeReport) -> str:
    failed = (o for o in report.outcomes if not o.outcome.is_fine)
    texts = (f"{o.symbol} {o.outcome.value}" + (f": {o.message}" if o.message else "") for o in failed)
    return next(texts, "")[:_LONGEST_CAUSE]


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    total = Counter(one)
    total.update(other)
    return dict(total)


#: Celery ends a task after 29 minutes. A chunk may take longer: with few requests per minute, or with years of bars.
LONGEST_RUN_S = 900.0


class PlannedChunk(Protocol):
    """A chunk in the form in which a feature plans it."""

    @property
    def items(self) -> tuple[str, ...]:
        """The items, which are settled one by one."""
        ...

    def payload(self) -> Mapping[str, Any]:
        """Return the chunk as JSON types, without its items."""
        ...


class Plan(Protocol):
    """The work that a request means today."""

    @property
    def chunks(self) -> Sequence[PlannedChunk]:
        """The chunks of the work."""
        ...

    def summary(self) -> Mapping[str, Any]:
        """Return the plan as JSON types, without its chunks."""
        ...


class Work(Protocol):
    """The work of a chunk: it starts at an item, and ends early if `should_stop` returns true."""

    def __call__(
        self, *, start: int, on_progress: Callable[[OutcomeReport], None], should_stop: Callable[[], bool]
    ) -> Awaitable[OutcomeReport]:
        """Return the outcomes from `start` on; `should_stop` may be called from any thread, and often."""
        ...


async def hand_out(run: Run, plan: Plan) -> None:
    """Hand out a plan's chunks to the workers of the queue; a dry run has no chunks.

    Raises:
        TypeError: the plan and its totals are not the result of the job type.

    """
    planned, summary = () if run.request.get("dry_run") else plan.chunks, plan.summary()
    check_plan(run.parts.catalog.get(run.claim.task), summary)
    await run.fan_out(summary, [Chunk(str(n), chunk.items, chunk.payload()) for n, chunk in enumerate(planned)])


async def go_on(run: Run, work: Work, *, stops_at_once: bool = False) -> Tally:
    """Do the remaining work of a chunk; return its tally.

    With `stops_at_once` the work checks for a stop within its items, too; it notices a cancel within half a second,
    even if it has nothing to report.

    Raises:
        HandBack: the run took longer than `LONGEST_RUN_S`, and items are left.

    """
    base = run.chunk.tally
    if run.should_stop():
        return base
    if stops_at_once:
        run.keeper.look_often()
    report = await work(
        start=base.cursor,
        on_progress=lambda part: run.report(add_report(base, part)),
        should_stop=lambda: run.should_stop() or (_has_run_long(run) and run.keeper.tally.cursor > base.cursor),
    )
    tally = add_report(base, report)
    if _has_run_long(run) and not run.should_stop() and tally.cursor < len(run.chunk.items):
        raise HandBack(f"it has run for {run.keeper.elapsed_s:.0f} s")
    return tally


def patience_left_s(run: Run) -> float:
    """Return for how many more seconds a chunk may wait for its provider."""
    return max(0.0, run.settings.provider_patience_s - run.chunk.tally.counts.get(_WAITED, 0))


def hand_back(run: Run, limit: RateLimited) -> HandBack:
    """Return what hands a chunk back for the pause that its provider wants, and count the pause in its tally."""
    pause_s, tally = limit.retry_after_s or 0.0, run.keeper.tally
    waited_s = tally.counts.get(_WAITED, 0) + round(pause_s)
    run.report(replace(tally, counts={**tally.counts, _WAITED: waited_s}))
    return HandBack(limit.message, pause_s=pause_s)


def _has_run_long(run: Run) -> bool:
    return run.keeper.elapsed_s > LONGEST_RUN_S
