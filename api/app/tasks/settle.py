"""Writing a finished job from Redis into the ledger, whoever notices that it is finished."""

from dataclasses import replace

import structlog

from app.jobs.model import Chunk, ChunkState, Job, JobStatus
from app.tasks.parts import Parts
from app.telemetry.metrics import JOBS_FINISHED, count

_log = structlog.get_logger(__name__)
_DEATH = "not written: the chunk was given up after its last attempt"


async def settle_job(parts: Parts, queue: str, job_id: str, *, is_final: bool = True) -> None:
    """Copy the end of a final job and of its chunks to the ledger; harmless to repeat."""
    if not is_final:
        return
    job = (await parts.store.load(queue, [job_id]))[0]
    if job is None or not job.status.is_final:
        return
    open_in_ledger = {c.n for c in await parts.history.load_chunks(job_id) if not c.state.is_final}
    for chunk in await parts.store.load_chunks(queue, job_id):
        if chunk.n in open_in_ledger and chunk.state.is_final:
            await parts.history.save_chunk(job_id, complete_dead(chunk))
    if await parts.history.save_final(job):
        count(JOBS_FINISHED, job.queue, job.status.value)
        _log_end(job)


def complete_dead(chunk: Chunk) -> Chunk:
    """Return a dead chunk with a word on each item it left; any other chunk as it is."""
    if chunk.state is not ChunkState.DEAD:
        return chunk
    return replace(chunk, tally=chunk.left_over("write_failed", _DEATH))


def _log_end(job: Job) -> None:
    words = {"status": job.status.value, "done": job.done, "failed": job.failed, "rows": job.rows}
    log = _log.bind(job_id=job.job_id, queue=job.queue)
    # One ERROR line for each failed job: the alert of the operations guide counts them.
    if job.status is JobStatus.FAILED:
        log.error("job_finished", **words, error=job.error)
    else:
        log.info("job_finished", **words)
