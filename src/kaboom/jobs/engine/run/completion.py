"""End the run of a claimed chunk: first in Redis, under its fence, then in the ledger.

What an exception of a handler means for its step:

| exception | verdict |
|---|---|
| retryable `StoreError`: ledger, Redis or bar store unavailable, or its disk full | wait; counts as no attempt |
| `MemoryError`: this process is full | wait, three times; then try again, three attempts in all |
| any other retryable `KaboomError`, such as a failed provider | try again, three attempts in all |
| `OSError` (also `TimeoutError`, `ConnectionError`): this machine | try again, three attempts in all |
| `KaboomError` that is not retryable: an invalid request, an invalid token, a damaged page | fail at once |
| any other, such as `TypeError` or `KeyError`: a bug | fail at once |

Drivers' exceptions are translated where the driver is imported, so they never count as bugs.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from time import perf_counter
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError

from kaboom.drivers.retry import backoff_s, retry_while_unavailable
from kaboom.errors import KaboomError, NotFound, StoreError
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.run.heartbeat import LeaseKeeper
from kaboom.jobs.engine.settle import keep_given_up, settle_or_leave
from kaboom.jobs.job_type import JobType
from kaboom.jobs.model import PLAN, Chunk, ChunkState, ItemNote, Tally
from kaboom.jobs.redis.store import ChunkRef, Claim, Ending
from kaboom.telemetry.metrics import BARS_CORRECTED, BARS_WRITTEN, CHUNK_SECONDS, CHUNKS, DEAD_LETTERS, count, observe

#: The outcomes of the items of a `Settled`.
_DONE, _FAILED = "ok", "failed"
#: The cause is sent with the job, so it is kept short.
_LONGEST_CAUSE = 500


@dataclass(frozen=True, slots=True)
class Settled:
    """The answer of a `run` handler whose work can fail in part: the result, and its items.

    The job ends as `completed` if no item failed, as `failed` if none is done, else as `partial`. Its failures name
    the items that failed, with their reasons.
    """

    result: BaseModel
    done: Sequence[str] = ()
    failed: Mapping[str, str] = field(default_factory=dict)

    def to_chunks(self) -> list[Chunk]:
        """Return the items as a chunk that has ended; no chunk without items."""
        items = (*self.done, *self.failed)
        if not items:
            return []
        counts = {_DONE: len(self.done), _FAILED: len(self.failed)}
        first = next((f"{item} {_FAILED}: {reason}" for item, reason in self.failed.items()), "")
        tally = Tally(
            cursor=len(items),
            done=len(self.done),
            failed=len(self.failed),
            written=len(self.done),
            outcomes={outcome: n for outcome, n in counts.items() if n},
            notes=tuple(ItemNote(item, _FAILED, reason) for item, reason in self.failed.items()),
            cause=first[:_LONGEST_CAUSE],
        )
        return [Chunk("0", items, {}, state=ChunkState.DONE, tally=tally, attempts=1)]


def check_answer(job_type: JobType, answer: object) -> Settled:
    """Return the answer of a `run` handler, with its items.

    Raises:
        TypeError: the result is of another model than the job type's.

    """
    settled = answer if isinstance(answer, Settled) else None
    result = settled.result if settled else answer
    if not isinstance(result, job_type.result):
        raise TypeError(
            f"{job_type.name} returned a {type(result).__name__}, expected its result {job_type.result.__name__}"
        )
    return settled or Settled(result)


def check_plan(job_type: JobType, plan: Mapping[str, Any]) -> None:
    """Check that a plan and the totals of its items make the result of the job type.

    Raises:
        TypeError: they do not; the error names the fields.

    """
    try:
        job_type.result.model_validate({**plan, "rows": 0, "outcomes": {}, "counts": {}})
    except ValidationError as e:
        found = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in e.errors(include_url=False))
        raise TypeError(f"{job_type.name} planned what is no {job_type.result.__name__}, its result: {found}") from None


class HandBack(Exception):
    """Raise it from a handler to run the chunk again after `pause_s` seconds; report the finished items first.

    It does not count as an attempt of a chunk, so the handler must limit its pauses; of a plan step it does count.
    For a store that is unavailable raise its `StoreError` instead.
    """

    def __init__(self, reason: str, *, pause_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.pause_s = pause_s


#: The first wait for an unavailable store, and the longest: a step continues that soon after the store is back.
_FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 15.0
#: How often a chunk without memory runs in another process before it counts: earlier chunks may have filled this one.
MOST_MEMORY_WAITS = 3
#: A message is stored in the job's record and with each failed item.
_LONGEST_MESSAGE = 2000


class Verdict(StrEnum):
    """What happens to a step whose handler raised."""

    WAIT = "wait"
    TRY_AGAIN = "try_again"
    FAIL = "fail"


def judge(error: BaseException, *, waits: int = 0) -> Verdict:
    """Return the verdict on an exception of a step that has waited so often; the worst one of a group."""
    if isinstance(error, BaseExceptionGroup):
        return max((judge(each, waits=waits) for each in error.exceptions), key=list(Verdict).index)
    if isinstance(error, KaboomError) and not error.retryable:
        return Verdict.FAIL
    if isinstance(error, StoreError):
        return Verdict.WAIT
    if isinstance(error, MemoryError):
        return Verdict.WAIT if waits < MOST_MEMORY_WAITS else Verdict.TRY_AGAIN
    return Verdict.TRY_AGAIN if isinstance(error, KaboomError | OSError) else Verdict.FAIL


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception, or one of a group, says that the process has no memory left."""
    if isinstance(error, BaseExceptionGroup):
        return any(is_out_of_memory(each) for each in error.exceptions)
    return isinstance(error, MemoryError)


def is_bug(error: BaseException) -> bool:
    """Return whether an exception is a bug, so that its traceback is worth logging."""
    return judge(error) is Verdict.FAIL and not isinstance(error, KaboomError)


def wait_s(error: BaseException, waits: int) -> float:
    """Return how long to wait for a store: twice as long each time, and at least as long as the store asks for."""
    grown_s = backoff_s(waits, first_s=_FIRST_WAIT_S, longest_s=LONGEST_WAIT_S, jitter=0.0)
    asked_s = error.retry_after_s if isinstance(error, KaboomError) else None
    return max(grown_s, asked_s or 0.0)


def describe(error: BaseException) -> str:
    """Return the type and message of an exception, without NUL, which PostgreSQL rejects in text."""
    text = f"{type(error).__name__}: {error}"[:_LONGEST_MESSAGE]
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


#: Results that count as errors: the task raised, the plan or chunk failed, or no item was finished for too long.
ERROR_ENDINGS = ("broken", "failed", "stalled")


async def measure(run: Awaitable[str], task: str, claim: Claim, keeper: LeaseKeeper) -> str:
    """Return how the run of a claimed chunk ended, and measure it; a run that is cancelled counts as released."""
    begun_at, ending = perf_counter(), "released"
    try:
        ending = await run
        return ending
    finally:
        count(CHUNKS, task, ending)
        observe(CHUNK_SECONDS, perf_counter() - begun_at, task)
        # Only the difference: earlier runs of the chunk have counted their part.
        count(BARS_WRITTEN, claim.lease.ref.queue, by=keeper.tally.rows - claim.chunk.tally.rows)
        before, after = (tally.counts.get("corrected", 0) for tally in (claim.chunk.tally, keeper.tally))
        count(BARS_CORRECTED, claim.lease.ref.queue, by=after - before)


#: How long a worker retries to save the end of a chunk in Redis. After that the reaper takes the chunk back.
_REDIS_RETRY_S = 30.0
#: How long a worker retries to save it in the ledger. It is short because the retry blocks the slot. Nothing is lost:
#: Redis has the end of the chunk, and when the job ends, all its chunks are saved again.
_LEDGER_RETRY_S = 1.0

_log = structlog.get_logger(__name__)


def is_worth_a_line(claim: Claim) -> bool:
    """Return whether to log this attempt: while a chunk waits for a store, about one line a minute is enough."""
    return claim.waits % 4 == 0


async def end_done(parts: Parts, claim: Claim, keeper: LeaseKeeper, tally: Tally) -> str:
    """End a run whose handler returned; return how it ended."""
    items, error = len(claim.chunk.items), ""
    counts = {"done": tally.done, "failed": tally.failed, "rows": tally.rows, "seconds": round(keeper.elapsed_s, 3)}
    if tally.cursor >= items:
        ending = Ending.DONE
        _log.info("chunk_done", **counts)
    elif keeper.is_cancelled:
        ending = Ending.CANCELLED
        _log.info("chunk_cancelled", **counts)
    else:
        # Counted as done, it would make the job look complete.
        ending, error = Ending.BROKEN, f"the task finished {tally.cursor} of {items} items and returned"
        _log.warning("chunk_broken", error=error, attempt=claim.chunk.attempts)
    await _end(parts, claim, ending, tally, error)
    return ending.value


async def end_cancelled(parts: Parts, claim: Claim, keeper: LeaseKeeper, error: Exception | None = None) -> str:
    """End a run that was cancelled: its lease was lost, it stalled, or its process stops and hands the chunk back.

    `error` is what the handler raised in place of the cancel; it is logged.
    """
    if error is not None:
        _log.warning("cancel_failed", error=describe(error), exc_info=error)
    if keeper.is_lost:
        _log.warning("lease_lost")
        return _absorb_cancel("lost")
    if keeper.is_stalled:
        _log.warning("chunk_stalled", seconds=keeper.stall_s, attempt=claim.chunk.attempts)
        await _end(parts, claim, Ending.BROKEN, keeper.tally, f"no item was finished for {keeper.stall_s:g} s")
        return _absorb_cancel("stalled")
    # The reaper sends it to another worker within a second.
    ended = await asyncio.shield(parts.store.end(claim.lease, Ending.RELEASED, keeper.tally))
    ref = claim.lease.ref
    if ended.is_final:
        await asyncio.shield(settle_or_leave(parts, ref.queue, ref.job_id))
    _log.info("chunk_released")
    raise asyncio.CancelledError


def _absorb_cancel(result: str) -> str:
    """Return the result: the keeper's cancel ends here. The cancel of a process that stops is raised again."""
    task = asyncio.current_task()
    if task is not None and task.uncancel():
        raise asyncio.CancelledError
    return result


async def end_broken(parts: Parts, claim: Claim, keeper: LeaseKeeper, error: Exception) -> str:
    """End a run whose handler raised, as `failures` judges the exception; return how it ended."""
    ref = claim.lease.ref
    try:
        is_plan_missing = isinstance(error, NotFound) and ref.n == PLAN
        if is_plan_missing and await parts.history.load(ref.queue, ref.job_id) is None:
            # The ledger does not have the job: it was never accepted.
            await parts.store.forget(ref.queue, ref.job_id)
            return "unaccepted"
    except StoreError as unavailable:
        error = unavailable
    verdict, message = judge(error, waits=claim.waits), describe(error)
    if verdict is Verdict.WAIT:
        return await _end_waiting(parts, claim, keeper, error)
    if verdict is Verdict.FAIL:
        return await _end_failed(parts, claim, keeper, error)
    _log.warning("chunk_broken", error=message, attempt=claim.chunk.attempts, exc_info=error)
    await _end(parts, claim, Ending.BROKEN, keeper.tally, message)
    return "broken"


async def _end_waiting(parts: Parts, claim: Claim, keeper: LeaseKeeper, error: Exception) -> str:
    """Hand a step back until a store is available, or memory: it counts as no attempt, and each pause is longer."""
    message, pause_s = describe(error), wait_s(error, claim.waits)
    if is_worth_a_line(claim):
        _log.warning("chunk_waiting", seconds=pause_s, reason=message, waits=claim.waits)
    await _end(parts, claim, Ending.WAITING, keeper.tally, message, pause_s=pause_s)
    return "waiting"


async def _end_failed(parts: Parts, claim: Claim, keeper: LeaseKeeper, error: Exception) -> str:
    """Give a step up because another attempt would not help: a plan fails its job, a chunk its unfinished items."""
    ref, message = claim.lease.ref, describe(error)
    trace = {"exc_info": error} if is_bug(error) else {}
    if ref.n != PLAN:
        _log.warning("chunk_failed", error=message, **trace)
        await _end(parts, claim, Ending.FAILED, keeper.tally, message)
        return "failed"
    if keeper.is_cancelled and not trace:
        _log.info("plan_cancelled", seconds=round(keeper.elapsed_s, 3))
    else:
        _log.warning("plan_failed", error=message, **trace)
    kind, _, text = message.partition(": ")
    failure = {"type": kind, "message": text}
    ended = await retry_while_unavailable(lambda: parts.store.fail(claim.lease, failure), for_s=_REDIS_RETRY_S)
    await settle_or_leave(parts, ref.queue, ref.job_id, is_final=ended.is_final)
    return "failed"


async def end_paused(parts: Parts, claim: Claim, keeper: LeaseKeeper, pause: HandBack) -> str:
    """Hand a chunk back for a pause. A plan step does not count its pauses, so each counts as an attempt."""
    ending = Ending.BROKEN if claim.chunk.n == PLAN else Ending.RELEASED
    _log.info("chunk_paused", seconds=round(pause.pause_s, 1), reason=pause.reason)
    await _end(parts, claim, ending, keeper.tally, pause.reason, pause_s=pause.pause_s)
    return "paused"


async def _end(
    parts: Parts, claim: Claim, ending: Ending, tally: Tally, error: str = "", *, pause_s: float = 0.0
) -> None:
    """End the chunk in Redis under its fence, then in the ledger; the end of a run that lost its lease is refused."""
    ended = await retry_while_unavailable(
        lambda: parts.store.end(claim.lease, ending, tally, error=error, pause_s=pause_s), for_s=_REDIS_RETRY_S
    )
    ref = claim.lease.ref
    if not ended.is_accepted:
        _log.warning("chunk_end_refused", ending=ending.value)
        return
    count(DEAD_LETTERS, ref.queue, by=ended.is_dead)
    if ended.is_dead:
        await keep_given_up(parts, ref)
    elif ending is Ending.DONE and ref.n != PLAN:
        await _keep_end(parts, ref, replace(claim.chunk, state=ChunkState.DONE, tally=tally, runs=ended.runs))
    await settle_or_leave(parts, ref.queue, ref.job_id, is_final=ended.is_final)


async def _keep_end(parts: Parts, ref: ChunkRef, chunk: Chunk) -> None:
    """Save a chunk's end in the ledger; if that fails, the job's end saves it."""
    try:
        await retry_while_unavailable(lambda: parts.history.save_chunk(ref.job_id, chunk), for_s=_LEDGER_RETRY_S)
    except StoreError as e:
        _log.warning("end_not_kept", reason=e.message)
