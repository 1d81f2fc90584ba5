"""The list of jobs: the ledger's, with live values where a job still runs."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.deps import Jobs
from app.errors import BadCursor
from app.jobs.cursor import decode_cursor, encode_cursor
from app.jobs.history.port import JobQuery
from app.jobs.model import TRANSITIONS, Job, JobStatus
from app.jobs.store import Worker
from app.jobs.view import JobPage, view_job
from batch.errors import InvalidRequest, StoreError

#: A list does not wait longer than this for live values: the ledger's are shown instead.
_OVERLAY_S = 1.0
_OPEN = frozenset(s for s in JobStatus if TRANSITIONS[s])


class Listing(BaseModel):
    """Which jobs to list."""

    model_config = ConfigDict(extra="forbid")

    status: list[JobStatus] = Field(default=[], max_length=7)
    since: AwareDatetime | None = None
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=200)


@dataclass(frozen=True, slots=True)
class JobList:
    """The jobs of one owner in one queue, whose job routes hang below `base`."""

    queue: str
    base: str
    owner: str

    async def page(self, jobs: Jobs, query: Listing) -> JobPage:
        """Return the page that a query asks for.

        Raises:
            BadCursor: the cursor is not one of ours.

        """
        found = await jobs.parts.history.list_jobs(_to_query(query, self.queue, self.owner))
        live, workers = await asyncio.gather(_overlay(jobs, self.queue, found), _workers(jobs))
        items = [job for job in live if not query.status or job.status in query.status]
        views = [view_job(job, base=self.base, workers=workers) for job in items]
        cursor = encode_cursor(found[-1]) if len(found) == query.limit else None
        return JobPage(items=views, next_cursor=cursor)


def _to_query(query: Listing, queue: str, owner: str) -> JobQuery:
    wanted = frozenset(query.status)
    # The ledger learns of a running job's states late: look at all open ones, then ask Redis.
    statuses = wanted | _OPEN if wanted & _OPEN else wanted
    try:
        before = decode_cursor(query.cursor) if query.cursor else None
    except InvalidRequest as e:
        raise BadCursor(e.message) from e
    return JobQuery(queue, owner, statuses=statuses, since=query.since, before=before, limit=query.limit)


async def _overlay(jobs: Jobs, queue: str, found: Sequence[Job]) -> list[Job]:
    """Put live values over unfinished jobs, in one round trip; without Redis the ledger's stand."""
    open_ids = [job.job_id for job in found if not job.status.is_final]
    try:
        async with asyncio.timeout(_OVERLAY_S):
            live = {job.job_id: job for job in await jobs.parts.store.load(queue, open_ids) if job}
    except (StoreError, TimeoutError):
        live = {}
    return [live.get(job.job_id, job) for job in found]


async def _workers(jobs: Jobs) -> list[Worker]:
    try:
        async with asyncio.timeout(_OVERLAY_S):
            return list(await jobs.parts.store.workers())
    except (StoreError, TimeoutError):
        return []
