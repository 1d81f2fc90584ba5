"""Running one claimed chunk: claim, keep the lease, call the handler, end it in Redis and in the ledger."""

import asyncio
import importlib
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import structlog

from app.jobs.model import PLAN, Chunk, ChunkState, Tally
from app.jobs.store import ChunkRef, Claim, Ending, Refusal
from app.tasks.catalog import get_task
from app.tasks.hand_back import HandBack
from app.tasks.keeper import STALL_S, LeaseKeeper
from app.tasks.measure import measured
from app.tasks.parts import Parts
from app.tasks.patience import insist
from app.tasks.settle import settle_job
from app.telemetry.metrics import DEAD_LETTERS, count
from app.telemetry.traces import span
from batch.errors import KaboomError, NotFound
from batch.kit.collector import spare_what_is_loaded

#: How long an ended chunk waits for Redis or the ledger to come back before it is left to the reaper.
_PATIENCE_S = 30.0
#: How long a chunk waits to be claimed; its message is sent again after that.
_CLAIM_PATIENCE_S = 8.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """What a handler is given: the claimed chunk, and the way to report."""

    parts: Parts
    claim: Claim
    keeper: LeaseKeeper

    @property
    def chunk(self) -> Chunk:
        """The chunk, with the tally that an earlier claim left."""
        return self.claim.chunk

    @property
    def request(self) -> Mapping[str, Any]:
        """The job's request."""
        return self.claim.request

    @property
    def plan(self) -> Mapping[str, Any]:
        """The job's plan; {} in the plan step itself."""
        return self.claim.plan or {}

    def report(self, tally: Tally) -> None:
        """Report progress."""
        self.keeper.report(tally)

    def should_stop(self) -> bool:
        """Return whether the job was cancelled: settle nothing more, return the tally as it is."""
        return self.keeper.is_cancelled

    async def fan_out(self, plan: Mapping[str, Any], chunks: list[Chunk]) -> None:
        """End the plan step: keep the plan in the ledger (the first one wins), then in Redis, then tell workers."""
        job_id = self.claim.lease.ref.job_id
        kept_plan, kept = await self.parts.history.save_plan(job_id, plan, chunks)
        # Given up after one lost answer, a plan that Redis has would wait for its chunks to be announced again.
        ended = await insist(
            lambda: self.parts.store.set_plan(self.claim.lease, kept_plan, kept), for_s=_CLAIM_PATIENCE_S
        )
        _log.info("job_planned", chunks=len(kept), accepted=ended.is_accepted)
        if ended.is_accepted and not ended.is_final:
            waiting = [chunk.n for chunk in kept if not chunk.state.is_final]
            refs = [ChunkRef(self.claim.lease.ref.queue, job_id, n) for n in waiting]
            await self.parts.dispatcher.send(self.claim.task, refs)
        # A plan of no chunks, or of a job cancelled meanwhile, is the end of its job.
        await settle_job(self.parts, self.claim.lease.ref.queue, job_id, is_final=ended.is_final)


async def perform(parts: Parts, ref: ChunkRef, *, stall_s: float = STALL_S) -> str:
    """Run one chunk if it can be claimed; return a word on what happened. Never raises for a failed chunk.

    A handler that reports nothing for `stall_s` seconds is cut off.
    """
    claim = await _claim(parts, ref)
    if isinstance(claim, Refusal):
        return claim.value
    words = {"job_id": ref.job_id, "chunk": ref.n, "task": claim.task, "queue": ref.queue}
    spec = get_task(claim.task)
    name = spec.name if ref.n == PLAN else spec.chunk_name
    keeper = LeaseKeeper(parts.store, claim.lease, claim.chunk.tally, stall_s=stall_s)
    with (
        structlog.contextvars.bound_contextvars(**words),
        span(name, job_id=ref.job_id, chunk=ref.n),
        measured(name, claim, keeper) as measure,
    ):
        _log_start(claim)
        measure.ending = await _run(parts, claim, keeper)
        return measure.ending


async def _run(parts: Parts, claim: Claim, keeper: LeaseKeeper) -> str:
    try:
        async with keeper:
            keeper.tally = tally = await _handle(Run(parts, claim, keeper))
    except asyncio.CancelledError:
        return await _end_cancelled(parts, claim, keeper)
    except HandBack as word:
        return await _end_paused(parts, claim, keeper, word)
    except Exception as e:  # noqa: BLE001  whatever a handler raises, its chunk must be settled
        return await _end_broken(parts, claim, keeper, e)
    if claim.chunk.n == PLAN:
        return "planned"
    return await _end_done(parts, claim, keeper, tally)


def _log_start(claim: Claim) -> None:
    if claim.chunk.n == PLAN:
        _log.info("plan_started", attempt=claim.chunk.attempts)
    else:
        done_before = {"settled": claim.chunk.tally.cursor} if claim.chunk.tally.cursor else {}
        _log.info("chunk_started", items=len(claim.chunk.items), attempt=claim.chunk.attempts, **done_before)


async def _claim(parts: Parts, ref: ChunkRef) -> Claim | Refusal:
    """Claim, also through a restart of Redis: a claim given up costs the chunk a re-send."""
    return await insist(lambda: parts.store.claim(ref, owner=parts.name), for_s=_CLAIM_PATIENCE_S)


async def _handle(run: Run) -> Tally:
    spec = get_task(run.claim.task)
    name = spec.plan_handler if run.chunk.n == PLAN else spec.chunk_handler
    module, function = name.split(":")
    if module not in sys.modules:
        # The fork came before this, which loads polars and all that the work needs.
        importlib.import_module(module)
        spare_what_is_loaded()
    handler = cast("Callable[[Run], Awaitable[Tally]]", getattr(sys.modules[module], function))
    return await handler(run)


async def _end_done(parts: Parts, claim: Claim, keeper: LeaseKeeper, tally: Tally) -> str:
    items, error = len(claim.chunk.items), ""
    counts = {"done": tally.done, "failed": tally.failed, "rows": tally.rows, "seconds": round(keeper.elapsed_s, 3)}
    if tally.cursor >= items:
        ending = Ending.DONE
        _log.info("chunk_done", **counts)
    elif keeper.is_cancelled:
        ending = Ending.CANCELLED
        _log.info("chunk_cancelled", **counts)
    else:
        # Left alone it would make the job look complete.
        ending, error = Ending.BROKEN, f"the handler settled {tally.cursor} of {items} items"
        _log.warning("chunk_broken", error=error, attempt=claim.chunk.attempts)
    await _end(parts, claim, ending, tally, error)
    return ending.value


async def _end_cancelled(parts: Parts, claim: Claim, keeper: LeaseKeeper) -> str:
    """End a run that was cut off: lost to another worker, stalled, or handed back by a process that goes away."""
    if keeper.is_lost:
        _log.warning("lease_lost")
        return _answer_cancel("lost")
    if keeper.is_stalled:
        _log.warning("chunk_stalled", seconds=keeper.stall_s, attempt=claim.chunk.attempts)
        await _end(parts, claim, Ending.BROKEN, keeper.tally, f"nothing settled for {keeper.stall_s:g} s")
        return _answer_cancel("stalled")
    # A reaper sends it to somebody else within a second.
    ended = await asyncio.shield(parts.store.end(claim.lease, Ending.RELEASED, keeper.tally))
    ref = claim.lease.ref
    if ended.is_final:
        await asyncio.shield(settle_job(parts, ref.queue, ref.job_id))
    _log.info("chunk_released")
    raise asyncio.CancelledError


def _answer_cancel(word: str) -> str:
    """Return the word: the keeper's cancellation ends here, but not one of a process that goes away as well."""
    task = asyncio.current_task()
    if task is not None and task.uncancel():
        raise asyncio.CancelledError
    return word


async def _end_broken(parts: Parts, claim: Claim, keeper: LeaseKeeper, error: Exception) -> str:
    ref, message = claim.lease.ref, f"{type(error).__name__}: {error}"
    if isinstance(error, NotFound) and ref.n == PLAN and await _is_unaccepted(parts, ref):
        # Redis has a record that the ledger does not know: nobody was promised this job.
        await parts.store.forget(ref.queue, ref.job_id)
        return "unaccepted"
    is_hopeless = isinstance(error, KaboomError) and not error.retryable
    if ref.n == PLAN and is_hopeless:
        _log.warning("plan_failed", error=message)
        ended = await parts.store.fail(claim.lease, {"type": type(error).__name__, "message": str(error)})
        await settle_job(parts, ref.queue, ref.job_id, is_final=ended.is_final)
        return "failed"
    _log.warning("chunk_broken", error=message, attempt=claim.chunk.attempts, exc_info=not is_hopeless)
    await _end(parts, claim, Ending.BROKEN, keeper.tally, message)
    return "broken"


async def _end_paused(parts: Parts, claim: Claim, keeper: LeaseKeeper, word: HandBack) -> str:
    """Hand a chunk back for a while. A plan step keeps no count of its pauses, so each is one of its tries."""
    ending = Ending.BROKEN if claim.chunk.n == PLAN else Ending.RELEASED
    _log.info("chunk_paused", seconds=round(word.pause_s, 1), reason=word.reason)
    await _end(parts, claim, ending, keeper.tally, word.reason, pause_s=word.pause_s)
    return "paused"


async def _is_unaccepted(parts: Parts, ref: ChunkRef) -> bool:
    return await parts.history.load(ref.queue, ref.job_id) is None


async def _end(
    parts: Parts, claim: Claim, ending: Ending, tally: Tally, error: str = "", *, pause_s: float = 0.0
) -> None:
    """End the chunk in Redis under its fence, then in the ledger; a zombie's end is refused and goes no further."""
    ended = await insist(
        lambda: parts.store.end(claim.lease, ending, tally, error=error, pause_s=pause_s), for_s=_PATIENCE_S
    )
    ref = claim.lease.ref
    if not ended.is_accepted:
        _log.warning("chunk_end_refused", ending=ending.value)
        return
    count(DEAD_LETTERS, ref.queue, by=ended.is_dead)
    if ended.is_dead:
        _log.warning("chunk_given_up", attempts=claim.chunk.attempts)
    if ending is Ending.DONE and ref.n != PLAN:
        chunk = replace(claim.chunk, state=ChunkState.DONE, tally=tally)
        await insist(lambda: parts.history.save_chunk(ref.job_id, chunk), for_s=_PATIENCE_S)
    await settle_job(parts, ref.queue, ref.job_id, is_final=ended.is_final)
