"""Copy the end of a job from Redis to the ledger and to Celery's clients; any process that notices it does this."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import structlog

from kaboom.errors import StoreError
from kaboom.jobs.engine.message import JobEvent
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.model import PLAN, Chunk, ChunkState, Job, JobStatus, describe_given_up
from kaboom.jobs.redis.store import ChunkRef, Claim
from kaboom.telemetry.metrics import JOBS_FINISHED, count

_log = structlog.get_logger(__name__)


async def show_started(parts: Parts, claim: Claim) -> None:
    """Show a job as STARTED when its plan step is claimed; do nothing for other chunks."""
    ref = claim.lease.ref
    if ref.n != PLAN:
        return
    job = Job(ref.job_id, ref.queue, claim.task, owner="", request={}, status=JobStatus.RUNNING)
    await parts.results.write_started(job)
    await parts.dispatcher.show(JobEvent(job, parts.node))


async def show_ledgers_word(parts: Parts, job_id: str, kept: Job | None) -> None:
    """Show the end of a job that the ledger has; if the ledger does not have the job, remove its result."""
    if kept is not None and kept.status.is_final:
        await parts.results.write_end(kept)
    elif kept is None:
        # Otherwise the result says STARTED until it expires.
        with suppress(StoreError):
            await parts.results.forget(job_id)


async def settle_job(parts: Parts, queue: str, job_id: str, *, is_final: bool = True) -> None:
    """Copy the end of a final job and of its chunks to the ledger. Idempotent.

    If the ledger has another end, or does not have the job, Redis had lost its last seconds and the job ran again. Then
    the ledger's record is kept, and Redis drops its record.
    """
    if not is_final:
        return
    job = (await parts.store.load(queue, [job_id]))[0]
    if job is None or not job.status.is_final:
        return
    live = await parts.store.load_chunks(queue, job_id)
    lost_item = parts.catalog.lost_item_of(job)
    chunks = [complete_dead(chunk, lost_item=lost_item) for chunk in live]
    if not _adds_up(job, chunks):
        return  # Redis has lost the chunks since it returned the job: the reaper will restore the job
    kept = await parts.history.save_final(job, chunks)
    if kept is None or kept.completed_at != job.completed_at:
        _log.warning("job_ended_otherwise", job_id=job_id, redis=job.status, ledger=kept.status if kept else None)
        await parts.store.forget(queue, job_id)
        await show_ledgers_word(parts, job_id, kept)
        return
    # Before the mark: if this process ends in between, the reaper settles the job again.
    if not await parts.results.write_end(job):
        return
    if await parts.store.mark_settled(job):
        count(JOBS_FINISHED, job.queue, job.status.value)
        _log_end(job, lost=sum(chunk.lost for chunk in live))
        await parts.dispatcher.show(JobEvent(job, parts.node))


async def settle_or_leave(parts: Parts, queue: str, job_id: str, *, is_final: bool = True) -> None:
    """Settle a job; if a store is unavailable, leave it to the reaper: the live record keeps the end until then."""
    try:
        await settle_job(parts, queue, job_id, is_final=is_final)
    except StoreError as e:
        _log.warning("end_not_kept", job_id=job_id, queue=queue, reason=e.message)


async def keep_given_up(parts: Parts, ref: ChunkRef) -> None:
    """Log why a chunk was given up, and save this in the ledger, so that it survives a loss of Redis.

    If a store is unavailable, the chunk is saved at the end of its job instead.
    """
    log = _log.bind(job_id=ref.job_id, queue=ref.queue, chunk=ref.n)
    try:
        chunk = await parts.store.load_chunk(ref)
        if chunk is None or chunk.state is not ChunkState.DEAD:
            return
        log.warning("chunk_given_up", attempts=chunk.attempts, lost=chunk.lost, error=chunk.error)
        if ref.n != PLAN:
            tally = replace(chunk.tally, cause=chunk.error or chunk.tally.cause)
            await parts.history.save_chunk(ref.job_id, replace(chunk, tally=tally))
    except StoreError as e:
        log.warning("end_not_kept", reason=e.message)


def _adds_up(job: Job, chunks: Sequence[Chunk]) -> bool:
    are_final = all(chunk.state.is_final for chunk in chunks)
    return are_final and len(chunks) == job.chunks_total and sum(chunk.tally.cursor for chunk in chunks) == job.settled


def complete_dead(chunk: Chunk, *, lost_item: str) -> Chunk:
    """Return a dead chunk with an outcome for each lost item, which names the cause; return other chunks unchanged."""
    if not chunk.lost:
        return chunk
    message = chunk.error or chunk.tally.cause or describe_given_up(chunk.attempts, "")
    return replace(chunk, tally=chunk.left_over(lost_item, message))


def _log_end(job: Job, *, lost: int) -> None:
    """Log the end of a job; alerts count the ERROR line of a partial or failed job."""
    counts = {name: getattr(job, name) for name in ("total", "done", "failed", "cancelled", "rows")}
    outcomes = ", ".join(f"{outcome} {n}" for outcome, n in sorted(job.outcomes.items()))
    log = _log.bind(job_id=job.job_id, queue=job.queue, status=job.status.value, **counts)
    log = log.bind(lost=lost, outcomes=outcomes)
    if job.status in {JobStatus.PARTIAL, JobStatus.FAILED}:
        error = job.error or {}
        log.error("job_finished", error=f"{error.get('type')}: {error.get('message')}")
    else:
        log.info("job_finished")
