"""The invariants that hold once all is quiet, whatever has happened before."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kaboom.jobs.model import Chunk, ChunkState, Job, JobStatus, settle_status
from kaboom.jobs.redis.events import FeedKey
from tests.faults.simulation.work import expected_outcomes, truth_of

if TYPE_CHECKING:
    from tests.faults.simulation.world import World

_SAME = ("status", "total", "done", "failed", "cancelled", "written", "rows", "chunks_total", "chunks_done", "dead")


def is_quiet(world: "World") -> bool:
    """Return whether nothing is left to do."""
    jobs = world.history._jobs.values()
    if not all(job.status.is_final for job in jobs) or world.broker.messages or world.store._unsettled:
        return False
    return all(
        record.job.status.is_final and all(slot.chunk.state.is_final for slot in record.slots.values())
        for record in world.store._records.values()
    )


def judge(world: "World") -> Iterator[str]:
    """Yield what is wrong with a world that has gone quiet."""
    for job_id in world.witness.accepted:
        job = world.history._jobs.get(job_id)
        if job is not None:
            yield from (f"job {job_id}: {fault}" for fault in _judge_job(world, job))
        elif job_id not in world.witness.deleted:
            yield f"job {job_id} was accepted and is lost"
    for (_, job_id), record in world.store._records.items():
        # A failover may bring back the record of a job that had ended and was deleted; nobody looks for it again.
        if job_id not in world.history._jobs and not (world.was_rolled_back and record.job.status.is_final):
            yield f"job {job_id} is in Redis and not in the ledger"


def _judge_job(world: "World", job: Job) -> Iterator[str]:
    chunks = list(world.history._chunks.get(job.job_id, {}).values())
    yield from _judge_sums(job, chunks)
    yield from _judge_end(world, job, chunks)
    for chunk in chunks:
        yield from (f"chunk {chunk.n} {fault}" for fault in _judge_chunk(world, job, chunk))
    record = world.store._records.get((job.queue, job.job_id))
    if record is not None:
        for name in (*_SAME, "outcomes", "counts", "error", "plan"):
            if getattr(record.job, name) != getattr(job, name):
                yield f"{name} is {getattr(record.job, name)} in Redis and {getattr(job, name)} in the ledger"
        told = [e.data for e in world.store.events._feeds[FeedKey(job.queue, job.job_id)] if e.kind == "status"]
        ends = [status for status in told if JobStatus(status).is_final]
        if ends != [job.status.value] or told[-1:] != ends:
            yield f"its events were {told}"


def _judge_sums(job: Job, chunks: list[Chunk]) -> Iterator[str]:
    if job.done + job.failed + job.cancelled != job.total:
        yield f"{job.done} done, {job.failed} failed and {job.cancelled} cancelled are not {job.total}"
    if any(not chunk.state.is_final for chunk in chunks):
        yield "has chunks that have not ended"
    sums = (sum(c.tally.done for c in chunks), sum(c.tally.failed for c in chunks), sum(c.tally.rows for c in chunks))
    if sums != (job.done, job.failed, job.rows):
        yield f"its chunks add up to {sums}, the job says {(job.done, job.failed, job.rows)}"
    if job.plan is not None and sorted(i for c in chunks for i in c.items) != sorted(job.request["items"]):
        yield "its chunks do not hold each item once"


def _judge_end(world: "World", job: Job, chunks: list[Chunk]) -> Iterator[str]:
    was_asked = job.job_id in world.witness.asked_to_stop
    if job.status is JobStatus.CANCELLED:
        if not was_asked:
            yield "was cancelled by nobody"
    elif job.plan is None:
        if job.status is not JobStatus.FAILED or not job.error:
            yield f"is {job.status} without a plan"
    else:
        due = settle_status(written=job.written, failed=job.failed, is_cancelled=False)
        if job.status is not due:
            yield f"is {job.status} and should be {due}"
        if any(chunk.state is ChunkState.CANCELLED for chunk in chunks):
            yield "has cancelled chunks and is not cancelled"


def _judge_chunk(world: "World", job: Job, chunk: Chunk) -> Iterator[str]:
    outcomes = Counter(chunk.tally.outcomes)
    settled = chunk.items[: chunk.tally.cursor]
    if chunk.state is ChunkState.DEAD:
        given_up = outcomes.pop("write_failed", 0)
        settled = chunk.items[: len(chunk.items) - given_up]
    elif chunk.state is ChunkState.DONE and len(settled) != len(chunk.items):
        yield f"is done with {len(settled)} of {len(chunk.items)} items"
    if dict(outcomes) != expected_outcomes(settled):
        yield f"ended with {dict(outcomes)}, the truth is {expected_outcomes(settled)}"
    lost = [item for item in settled if truth_of(item) == "ok" and item not in world.bars.kept]
    if lost:
        yield f"says that it wrote {lost}, and nothing is there"
