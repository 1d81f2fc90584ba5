"""Writing a finished job from Redis into the ledger, whoever notices that it is finished."""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from app.engine.parts import Parts
from app.jobs.model import Chunk, ChunkState, Job, JobStatus
from app.telemetry.metrics import JOBS_FINISHED, count
from batch.errors import StoreError

_log = structlog.get_logger(__name__)
_DEATH = "not written: the chunk was given up after its last attempt"


async def settle_job(parts: Parts, queue: str, job_id: str, *, is_final: bool = True) -> None:
    """Copy the end of a final job and of its chunks to the ledger; harmless to repeat.

    Where the ledger knows of another end already, or has no such job any more, Redis had lost its last seconds
    and done it all over: the ledger's word stands.
    """
    if not is_final:
        return
    job = (await parts.store.load(queue, [job_id]))[0]
    if job is None or not job.status.is_final:
        return
    lost_item = parts.catalog.get(job.task).lost_item
    chunks = [complete_dead(chunk, lost_item=lost_item) for chunk in await parts.store.load_chunks(queue, job_id)]
    if not _adds_up(job, chunks):
        return  # Redis has lost them since it told of the job: that will be found out, and the job restored
    kept = await parts.history.save_final(job, chunks)
    if kept is None or kept.completed_at != job.completed_at:
        _log.warning("job_ended_otherwise", job_id=job_id, redis=job.status, ledger=kept.status if kept else None)
        await parts.store.forget(queue, job_id)
        return
    if await parts.store.mark_settled(queue, job_id):
        count(JOBS_FINISHED, job.queue, job.status.value)
        _log_end(job)


async def settle_or_leave(parts: Parts, queue: str, job_id: str, *, is_final: bool = True) -> None:
    """Settle a job, or leave that to the reaper where a store is away: the live record has the end meanwhile."""
    try:
        await settle_job(parts, queue, job_id, is_final=is_final)
    except StoreError as e:
        _log.warning("end_not_kept", job_id=job_id, queue=queue, reason=e.message)


def _adds_up(job: Job, chunks: Sequence[Chunk]) -> bool:
    are_final = all(chunk.state.is_final for chunk in chunks)
    return are_final and len(chunks) == job.chunks_total and sum(chunk.tally.cursor for chunk in chunks) == job.settled


def complete_dead(chunk: Chunk, *, lost_item: str) -> Chunk:
    """Return a dead chunk with a word on each item it left; any other chunk as it is."""
    if chunk.state is not ChunkState.DEAD:
        return chunk
    message = f"{_DEATH}: {chunk.error}" if chunk.error else _DEATH
    return replace(chunk, tally=chunk.left_over(lost_item, message))


def _log_end(job: Job) -> None:
    words = {"status": job.status.value, "done": job.done, "failed": job.failed, "rows": job.rows}
    log = _log.bind(job_id=job.job_id, queue=job.queue)
    # One ERROR line for each failed job: the alert of the operations guide counts them.
    if job.status is JobStatus.FAILED:
        log.error("job_finished", **words, error=job.error)
    else:
        log.info("job_finished", **words)
