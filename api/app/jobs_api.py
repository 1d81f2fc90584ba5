"""The job routes that every queue mounts: list, stats, one, failures, cancel, retry, delete."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response, status
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from app.deps import Events, Jobs
from app.errors import (
    BAD_CURSOR,
    BAD_JSON,
    CONFLICT,
    INVALID,
    MEDIA_TYPE,
    NOT_FOUND,
    TOO_LARGE,
    BadCursor,
    describe_problems,
)
from app.jobs.cursor import decode_cursor, encode_cursor
from app.jobs.events import START, parse_event_id
from app.jobs.history.port import Admission, Admitted, JobQuery
from app.jobs.model import TRANSITIONS, Chunk, Job, JobStatus
from app.jobs.sse import is_last, stream_events, tell_end, wait_for_end
from app.jobs.view import Accepted, Failure, FailurePage, JobPage, JobView, QueueStats, RetryBody, view_job
from batch.errors import InvalidRequest, NotFound, StoreError
from batch.market.outcome import Outcome

JobId = Annotated[str, Path(max_length=64, description="32 hex digits")]
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=50)]
_JOB_ID = re.compile("[0-9a-f]{32}")
#: A list does not wait longer than this for live values: the ledger's are shown instead.
_OVERLAY_S = 1.0
_OPEN = frozenset(s for s in JobStatus if TRANSITIONS[s])
_EVENT_STREAM = "text/event-stream"
#: The second keeps a proxy such as nginx from holding events back.
_STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
_MAX_WAIT_S = 30
_EVENT = 'event: status\ndata: {"status":"running"}\nid: 1795569399213-0\n\n'
_EVENT_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {_EVENT_STREAM: {"examples": {"status": {"value": _EVENT}}}}},
    204: {"description": "the client has seen the job's last event"},
}
_NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "the job is as its ETag says"}}

#: Builds the request of a retry from the job and its chunks; raises Conflict where nothing is left to do.
type RetryBuilder = Callable[[Job, Sequence[Chunk]], Mapping[str, Any]]


class Listing(BaseModel):
    """Which jobs to list."""

    model_config = ConfigDict(extra="forbid")

    status: list[JobStatus] = Field(default=[], max_length=7)
    since: AwareDatetime | None = None
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=200)


class FailureListing(BaseModel):
    """Which items to list."""

    model_config = ConfigDict(extra="forbid")

    outcome: list[str] = Field(default=[], max_length=7)
    limit: int = Field(default=100, ge=1, le=1000)
    cursor: int = Field(default=0, ge=0, le=10_000_000)


@dataclass(frozen=True, slots=True)
class JobRoutes:
    """The job routes of one queue, mounted at `base`, for the jobs of one owner."""

    queue: str
    base: str
    owner: str
    build_retry: RetryBuilder

    async def list_jobs(
        self, jobs: Jobs, request: Request, response: Response, query: Annotated[Listing, Query()]
    ) -> JobPage:
        """List jobs, newest first: the ledger's, with live values where a job still runs."""
        found = await jobs.parts.history.list_jobs(_to_query(query, self.queue, self.owner))
        live, workers = await asyncio.gather(_overlay(jobs, self.queue, found), _workers(jobs))
        items = [job for job in live if _is_wanted(job, query)]
        cursor = encode_cursor(found[-1]) if len(found) == query.limit else None
        if cursor:
            url = request.url.include_query_params(cursor=cursor)
            response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
        views = [view_job(job, base=self.base, workers=workers) for job in items]
        return JobPage(items=views, next_cursor=cursor)

    async def job_stats(self, jobs: Jobs) -> QueueStats:
        """Count jobs by state, and say how long they wait and run."""
        return await _stats(jobs, self.queue)

    async def get_job(
        self, jobs: Jobs, hub: Events, job_id: JobId, request: Request, response: Response
    ) -> JobView | Response:
        """Show one job; `ETag` changes with it, `Retry-After` says when to look again.

        `Prefer: wait=25` answers when the job ends, or after so many seconds (30 at most).
        """
        job = await self._find(jobs, job_id)
        wait_s = _preferred_wait_s(request)
        if wait_s and not job.status.is_final:
            await wait_for_end(hub, job, timeout_s=wait_s)
            job = await self._find(jobs, job_id)
            response.headers["Preference-Applied"] = f"wait={wait_s}"
        etag = f'W/"{job.version}-{job.status}-{job.settled}"'
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if not job.status.is_final:
            headers["Retry-After"] = "1"
        if etag in [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]:
            return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
        response.headers.update(headers)
        workers = [] if job.status.is_final else await jobs.parts.store.workers()
        return view_job(job, base=self.base, workers=workers)

    async def job_events(self, jobs: Jobs, hub: Events, job_id: JobId, last_event_id: LastEventId = None) -> Response:
        """Stream what happens to a job as server-sent events: `status` and `progress`.

        A client that comes back with `Last-Event-ID` misses nothing; the stream ends with the job, and 204 tells
        a client that has seen the end not to come back.
        """
        after = last_event_id or START
        parse_event_id(after)
        job = await self._find(jobs, job_id)
        kept = await hub.read(self.queue, job_id, after=after)
        if job.status.is_final and not any(is_last(event) for event in kept):
            if last_event_id:
                return Response(status_code=status.HTTP_204_NO_CONTENT)
            return StreamingResponse(tell_end(job), media_type=_EVENT_STREAM, headers=_STREAM_HEADERS)
        body = stream_events(hub, job, after=after)
        return StreamingResponse(body, media_type=_EVENT_STREAM, headers=_STREAM_HEADERS)

    async def list_failures(
        self,
        jobs: Jobs,
        job_id: JobId,
        query: Annotated[FailureListing, Query()],
    ) -> FailurePage:
        """List what became of every item that failed; `outcome` asks for others, such as `not_listed`."""
        job = await self._find(jobs, job_id)
        found = _failures(await jobs.load_chunks(job), query.outcome)
        end = query.cursor + query.limit
        cursor = str(end) if end < len(found) else None
        return FailurePage(items=found[query.cursor : end], total=len(found), next_cursor=cursor)

    async def cancel_job(self, jobs: Jobs, job_id: JobId) -> Accepted:
        """Ask a job to stop: what is queued stops now, what runs within seconds; what is written stays."""
        job = await jobs.cancel(await self._find(jobs, job_id))
        return Accepted(job_id=job.job_id, status=job.status)

    async def retry_job(self, jobs: Jobs, job_id: JobId, response: Response, body: RetryBody | None = None) -> Accepted:
        """Run what failed, was cancelled or given up again, as a child job; the finished job stays as it is."""
        del body  # its one field has one value, so far
        job = await self._find(jobs, job_id)
        child = await jobs.retry(job, self.build_retry(job, await jobs.load_chunks(job)))
        return accept(child, self.base, response)

    async def delete_job(self, jobs: Jobs, job_id: JobId) -> None:
        """Drop a finished job and its history; its bars stay."""
        await jobs.delete(await self._find(jobs, job_id))

    async def _find(self, jobs: Jobs, job_id: str) -> Job:
        # Anything else could name another key of Redis.
        if not _JOB_ID.fullmatch(job_id):
            raise NotFound(f"job {job_id} does not exist: an id is 32 hex digits")
        return await jobs.find(self.queue, job_id, owner=self.owner)


def jobs_router(routes: JobRoutes) -> APIRouter:
    """Return the router of one queue's jobs."""
    router = APIRouter(prefix=routes.base, tags=[f"{routes.queue} jobs"])
    router.add_api_route("", routes.list_jobs, responses=describe_problems(BAD_CURSOR, INVALID))
    # Before the id, which it would match.
    router.add_api_route("/stats", routes.job_stats)
    one = APIRouter(prefix="/{job_id}", responses=describe_problems(NOT_FOUND, INVALID))
    one.add_api_route("", routes.get_job, response_model=JobView, responses=_NOT_MODIFIED)
    one.add_api_route("/events", routes.job_events, response_class=StreamingResponse, responses=_EVENT_ANSWERS)
    one.add_api_route("/failures", routes.list_failures)
    conflict = describe_problems(CONFLICT)
    one.add_api_route("/cancel", routes.cancel_job, methods=["POST"], status_code=202, responses=conflict)
    body = describe_problems(CONFLICT, BAD_JSON, MEDIA_TYPE, TOO_LARGE)
    one.add_api_route("/retry", routes.retry_job, methods=["POST"], status_code=202, responses=body)
    one.add_api_route("", routes.delete_job, methods=["DELETE"], status_code=204, responses=conflict)
    router.include_router(one)
    return router


def accept(admission: Admission, base: str, response: Response) -> Accepted:
    """Return the answer to a submission, and set where and when to look for its job, and whose it is."""
    job = admission.job
    response.headers["Location"] = f"{base}/{job.job_id}"
    response.headers["Retry-After"] = "2"
    if admission.how is Admitted.REPLAYED:
        response.headers["Idempotency-Replayed"] = "true"
        # The same answer as the first time.
        return Accepted(job_id=job.job_id, status=JobStatus.QUEUED)
    if admission.how is Admitted.JOINED:
        response.headers["Kaboom-Coalesced"] = "true"
    return Accepted(job_id=job.job_id, status=job.status)


def _preferred_wait_s(request: Request) -> int:
    found = re.search(r"\bwait=(\d{1,4})\b", request.headers.get("prefer", ""))
    return min(int(found.group(1)), _MAX_WAIT_S) if found else 0


def _to_query(query: Listing, queue: str, owner: str) -> JobQuery:
    wanted = frozenset(query.status)
    # The ledger learns of a running job's states late: look at all open ones, then ask Redis.
    statuses = wanted | _OPEN if wanted & _OPEN else wanted
    try:
        before = decode_cursor(query.cursor) if query.cursor else None
    except InvalidRequest as e:
        raise BadCursor(e.message) from e
    since: datetime | None = query.since
    return JobQuery(queue, owner, statuses=statuses, since=since, before=before, limit=query.limit)


def _is_wanted(job: Job, query: Listing) -> bool:
    return not query.status or job.status in query.status


async def _overlay(jobs: Jobs, queue: str, found: Sequence[Job]) -> list[Job]:
    """Put live values over unfinished jobs, in one round trip; without Redis the ledger's stand."""
    open_ids = [job.job_id for job in found if not job.status.is_final]
    try:
        async with asyncio.timeout(_OVERLAY_S):
            live = {job.job_id: job for job in await jobs.parts.store.load(queue, open_ids) if job}
    except (StoreError, TimeoutError):
        live = {}
    return [live.get(job.job_id, job) for job in found]


async def _workers(jobs: Jobs) -> list[Any]:
    try:
        async with asyncio.timeout(_OVERLAY_S):
            return list(await jobs.parts.store.workers())
    except (StoreError, TimeoutError):
        return []


async def _stats(jobs: Jobs, queue: str) -> QueueStats:
    ledger = await jobs.parts.history.stats(queue)
    workers = await jobs.parts.store.workers()
    return QueueStats(
        queue=queue,
        by_status={s.value: ledger.by_status.get(s.value, 0) for s in JobStatus},
        waiting_messages=await jobs.parts.dispatcher.depth(queue),
        oldest_queued_s=ledger.oldest_queued_s,
        throughput_1m=ledger.finished_1m,
        throughput_1h=ledger.finished_1h,
        p50_runtime_s=ledger.p50_runtime_s,
        p95_runtime_s=ledger.p95_runtime_s,
        success_rate_24h=ledger.success_rate_24h,
        workers_online=len(workers),
        slots_online=sum(worker.slots for worker in workers),
    )


def _failures(chunks: Sequence[Chunk], outcomes: Sequence[str]) -> list[Failure]:
    fine = {outcome.value for outcome in Outcome if outcome.is_fine}
    return [
        Failure(
            item=note.item,
            interval=chunk.payload.get("interval"),
            outcome=note.outcome,
            message=note.message,
            attempts=note.attempts,
        )
        for chunk in chunks
        for note in chunk.tally.notes
        if (note.outcome in outcomes if outcomes else note.outcome not in fine)
    ]
