"""The facts of an ingest job, from the ledger."""

from app.jobs.queues import Queue
from app.ledger.port import JobHistory
from batch.analysis.facts.ingest import gather_ingest
from batch.analysis.facts.model import Facts
from batch.errors import Conflict, NotFound
from batch.market.outcome import is_fine


async def gather_job(history: JobHistory, job_id: str, owner: str) -> Facts:
    """Return what became of the items of an owner's ingest job.

    Raises:
        NotFound: the owner has no ingest job of this id.
        Conflict: it has not ended.
        StoreError: the ledger cannot be reached.

    """
    job = await history.load(Queue.INGEST, job_id)
    if job is None or job.owner != owner:
        raise NotFound(f"job {job_id} does not exist in queue {Queue.INGEST}")
    if not job.status.is_final:
        raise Conflict(f"job {job_id} was {job.status}, expected one that has ended")
    chunks = await history.load_chunks(job_id)
    notes = [(note.outcome, note.message) for chunk in chunks for note in chunk.tally.notes]
    failures = [(outcome, message) for outcome, message in notes if not is_fine(outcome)]
    progress = {"total": job.total, "done": job.done, "failed": job.failed, "cancelled": job.cancelled}
    return gather_ingest(job_id, progress, job.outcomes, failures)
