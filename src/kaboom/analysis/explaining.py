"""Gather the facts about a job of the caller from the ledger."""

import orjson

from kaboom.analysis.facts.backtest import gather_backtest
from kaboom.analysis.facts.ingest import gather_ingest
from kaboom.analysis.facts.model import Facts
from kaboom.errors import Conflict
from kaboom.jobs.model import Job
from kaboom.jobs.postgres.files import JobFiles
from kaboom.jobs.postgres.port import OwnHistory
from kaboom.jobs.queues import Queue
from kaboom.market.outcome import is_fine


async def gather_ingest_job(history: OwnHistory, job_id: str) -> Facts:
    """Return the facts about an owner's ingest job: its progress, outcomes and failures.

    Raises:
        NotFound: the owner has no ingest job with this id.
        Conflict: the job has not ended.
        StoreError: the ledger is unavailable.

    """
    job = await _load(history, Queue.INGEST, job_id)
    chunks = await history.load_chunks(Queue.INGEST, job_id)
    notes = [(note.outcome, note.message) for chunk in chunks for note in chunk.tally.notes]
    failures = [(outcome, message) for outcome, message in notes if not is_fine(outcome)]
    progress = {"total": job.total, "done": job.done, "failed": job.failed, "cancelled": job.cancelled}
    return gather_ingest(job_id, progress, job.outcomes, failures)


async def gather_backtest_job(history: OwnHistory, files: JobFiles, job_id: str) -> Facts:
    """Return the facts about the result of an owner's backtest or sweep.

    Raises:
        NotFound: the owner has no backtest with this id.
        Conflict: the job has not ended, or has ended without a result.
        StoreError: the ledger is unavailable.

    """
    job = await _load(history, Queue.BACKTEST, job_id)
    summary = await files.load(job_id, "summary.json")
    if summary is None:
        raise Conflict(f"job {job_id} was {job.status}, and has no result")
    return gather_backtest(job_id, orjson.loads(summary))


async def _load(history: OwnHistory, queue: Queue, job_id: str) -> Job:
    job = await history.load(queue, job_id)
    if not job.status.is_final:
        raise Conflict(f"job {job_id} was {job.status}, expected one that has ended")
    return job
