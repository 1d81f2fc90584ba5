"""Show jobs to Celery clients and to Flower by the job's id; this is a copy of what the ledger and Redis have."""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import structlog

from kaboom.drivers.clock import utc_now
from kaboom.errors import StoreError
from kaboom.jobs.engine.job_events import JobEvent
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.model import PLAN, Job, JobStatus
from kaboom.jobs.postgres.port import ENDED_PAGE
from kaboom.jobs.redis.celery_results import FAILURE_EXPIRES_S, lifetime_s
from kaboom.jobs.redis.store import Claim

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


async def restore_results(parts: Parts) -> None:
    """Write results again after Redis has lost them: of jobs that ended in the last week, and of running jobs."""
    if not await parts.results.claim_rebuild():
        return
    count = 0
    for queue in parts.catalog.queues:
        async for job in _ended(parts, queue):
            if not await parts.results.write_end(job):
                # The mark expires, and the rebuild starts again.
                return
            count += 1
        for unfinished in await parts.history.unfinished(queue, older_than_s=0):
            running = await parts.history.load(queue, unfinished.job_id)
            if running is not None and running.status in {JobStatus.RUNNING, JobStatus.CANCELLING}:
                await parts.results.write_started(running)
    await parts.results.end_rebuild()
    _log.info("celery_results_restored", count=count)


async def _ended(parts: Parts, queue: str) -> AsyncIterator[Job]:
    since, place = utc_now() - timedelta(seconds=FAILURE_EXPIRES_S), None
    while True:
        page = await parts.history.recent_ends(queue, since=since, after=place)
        for job in page:
            if job.completed_at and utc_now() - job.completed_at < timedelta(seconds=lifetime_s(job)):
                yield job
        if len(page) < ENDED_PAGE:
            return
        last = page[-1]
        place = (last.completed_at or since, last.job_id)
