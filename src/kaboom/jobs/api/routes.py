"""The job routes of every queue: list, stats, one job, events, log, failures, chunks, cancel, retry, delete."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Union

from fastapi import APIRouter, Depends, Path, Query, Request, Response, status
from pydantic import ConfigDict, Field, create_model
from starlette.responses import StreamingResponse

from kaboom.errors import NotFound
from kaboom.jobs.api.chunks import ChunkListing, ChunkPage, page_chunks
from kaboom.jobs.api.job_list import JobList, JobWriter, Listing, answer_together, answer_with_model
from kaboom.jobs.api.log import LOG_ANSWERS, ResumedLogQuery, download_log, page_log, stream_log
from kaboom.jobs.api.sse import (
    EVENT_ANSWERS,
    LastEventId,
    preferred_wait_s,
    stream_job,
    wait_for_end,
)
from kaboom.jobs.api.submission import accept, submit_router
from kaboom.jobs.api.view import (
    Accepted,
    ChangeBody,
    FailureListing,
    FailurePage,
    JobPage,
    JobView,
    LogPage,
    QueueStats,
    RetryBody,
    find_stats,
    page_failures,
    view_job,
)
from kaboom.jobs.deps import Caller, Cursors, Events, Jobs, Shared, count_log_stream, count_stream, needs
from kaboom.jobs.engine.lifecycle import Jobs as JobsOfProcess
from kaboom.jobs.job_type import Catalog, JobType, retry_whole
from kaboom.jobs.model import Job, Queue, job_links, jobs_path
from kaboom.jobs.redis.events import EVENT_STREAM, START, Feed, parse_event_id
from kaboom.web.auth.changes import Action, context_of, logged_as
from kaboom.web.auth.guard import require_scopes
from kaboom.web.auth.principals import Principal
from kaboom.web.auth.scopes import Scope
from kaboom.web.errors import (
    BAD_CURSOR,
    BAD_JSON,
    CONFLICT,
    INVALID,
    MEDIA_TYPE,
    NOT_FOUND,
    TOO_LARGE,
    describe_problems,
)
from kaboom.web.routers import HEX_ID, FeatureRouter, example_of

JobId = Annotated[str, Path(max_length=64, description="32 hex digits")]
_READS, _WRITES = [needs(Scope.JOBS_READ)], [needs(Scope.JOBS_WRITE)]
_ONE, _OF_ONE = "/{job_id}", describe_problems(NOT_FOUND, INVALID)
_NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "the job is as its ETag says"}}


@dataclass(frozen=True, slots=True)
class Named:
    """The job id of a path, not looked up yet; a caller finds only the jobs of its owner.

    All routes of one job find it here, so that each of them asks for the scopes that the request of the job needs.
    """

    jobs: JobsOfProcess
    caller: Principal
    job_id: str

    async def find(self, queue: str) -> Job:
        """Return the job of a queue.

        Raises:
            NotFound: the owner has no such job.
            Forbidden: the request of the job needs a scope that the caller lacks.
            StoreError: neither Redis nor the ledger can be read.

        """
        # Any other text could name another Redis key.
        if not HEX_ID.fullmatch(self.job_id):
            raise NotFound(f"job {self.job_id} does not exist: an id is 32 hex digits")
        job = await self.jobs.find(queue, self.job_id, owner=self.caller.owner)
        require_scopes(self.caller, sorted(self.jobs.parts.catalog.scopes_of(job)))
        return job


async def _named(jobs: Jobs, caller: Caller, job_id: JobId) -> Named:
    return Named(jobs, caller, job_id)


NamedJob = Annotated[Named, Depends(_named)]


@dataclass(frozen=True, slots=True)
class JobRoutes:
    """The job routes of one queue."""

    queue: Queue
    job_types: Sequence[JobType]
    #: The lists of all callers share it.
    writer: JobWriter = field(default_factory=JobWriter)

    @property
    def view_model(self) -> type[JobView]:
        """The model of a job of the queue, with the results that it may have."""
        results = tuple(dict.fromkeys(job_type.result for job_type in self.job_types))
        name = "".join(part.capitalize() for part in self.queue.value.split("_")) + "JobView"
        result = (Union[(*results, None)], Field(description="by kind of job"))
        view: type[JobView] = create_model(name, __base__=JobView, result=result)  # type: ignore[arg-type]
        first = self.job_types[0]
        example = _show_job(self.queue.value, first.name, first.example)
        view.model_config = view.model_config | ConfigDict(json_schema_extra={"example": example})
        view.model_rebuild(force=True)
        return view

    async def list_jobs(
        self, jobs: Jobs, cursors: Cursors, shared: Shared, request: Request, query: Annotated[Listing, Query()]
    ) -> Response:
        """List jobs, newest first, with live values of unfinished jobs."""
        found = JobList((self.queue,), shared.owner, shared.scopes, cursors, self.writer)
        return await answer_together(shared, request, lambda: found.answer(jobs, request, query))

    async def job_stats(self, jobs: Jobs, shared: Shared, request: Request) -> Response:
        """Count jobs by state, and show how long they wait and run."""
        return await answer_with_model(shared, request, lambda: find_stats(jobs, self.queue, shared.owner))

    async def get_job(self, named: NamedJob, hub: Events, request: Request, response: Response) -> JobView | Response:
        """Show one job; `ETag` changes when the job changes, `Retry-After` says when to ask again.

        With `Prefer: wait=25` the answer comes when the job ends, or after 25 seconds; the maximum is 30. A caller with
        too many open streams and waits is answered at once, without `Preference-Applied`.
        """
        job = await named.find(self.queue)
        wait_s = preferred_wait_s(request.headers.get("prefer", ""))
        if wait_s and not job.status.is_final and not hub.slots.is_full(named.caller):
            with hub.slots.take(named.caller):
                await wait_for_end(hub, job, timeout_s=wait_s)
            job = await named.find(self.queue)
            response.headers["Preference-Applied"] = f"wait={wait_s}"
        etag = f'W/"{job.version}-{job.status}-{job.settled}"'
        headers = {"ETag": etag}
        if not job.status.is_final:
            headers["Retry-After"] = "1"
        if etag in [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]:
            return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
        response.headers.update(headers)
        workers = [] if job.status.is_final else await named.jobs.parts.store.workers()
        view = view_job(job, workers=workers)
        view.request = dict(job.request)
        return view

    async def job_events(self, named: NamedJob, hub: Events, last_event_id: LastEventId = None) -> Response:
        """Stream the events of a job as server-sent events: `status`, `progress` and `paused`.

        A client that reconnects with `Last-Event-ID` misses no event. The stream ends with the job. A client that has
        seen the end gets 204, and should not reconnect.
        """
        after = last_event_id or START
        parse_event_id(after)
        return await stream_job(hub, await named.find(self.queue), after=after)

    async def job_logs(
        self, named: NamedJob, hub: Events, request: Request, query: ResumedLogQuery
    ) -> LogPage | Response:
        """Show the log of a job: about the newest 1,000 lines, oldest first, kept until 7 days after its end.

        With `Accept: text/event-stream` the answer is a stream of `line` events that ends after the job and resumes
        after `Last-Event-ID`. A client that has seen the last line gets 204, and should not reconnect. With
        `format=ndjson` or `format=txt` the answer is a file of all lines.
        """
        job = await named.find(self.queue)
        if EVENT_STREAM in request.headers.get("accept", ""):
            return await stream_log(hub, job, query)
        kept = await hub.read(self.queue, job.job_id, after=query.after, feed=Feed.LINES)
        return page_log(kept, query) if query.format == "json" else download_log(kept, query, job.job_id)

    async def list_failures(self, named: NamedJob, query: Annotated[FailureListing, Query()]) -> FailurePage:
        """List the items that failed, with their outcomes; `outcome` selects other outcomes, such as `not_listed`."""
        job = await named.find(self.queue)
        return page_failures(await named.jobs.load_chunks(job), query)

    async def list_chunks(self, named: NamedJob, query: Annotated[ChunkListing, Query()]) -> ChunkPage:
        """List the chunks of a job with their runs, and the pauses of the job: its timeline."""
        job = await named.find(self.queue)
        return page_chunks(await named.jobs.load_chunks(job), query)

    @logged_as(Action.CANCEL_JOB)
    async def cancel_job(self, named: NamedJob, request: Request, body: ChangeBody | None = None) -> Accepted:
        """Cancel a job: queued chunks stop now, running chunks within seconds; bars already written stay."""
        asked = body or ChangeBody()
        context_of(request.scope).reason = asked.reason or ""
        job = await named.jobs.cancel(await named.find(self.queue), reason=asked.reason)
        return Accepted(job_id=job.job_id, status=job.status)

    @logged_as(Action.RETRY_JOB)
    async def retry_job(
        self, named: NamedJob, request: Request, response: Response, body: RetryBody | None = None
    ) -> Accepted:
        """Retry a finished job as a child job: the items that failed, were cancelled or given up, or the whole job."""
        asked = body or RetryBody()
        context_of(request.scope).reason = asked.reason or ""
        job = await named.find(self.queue)
        job_type = named.jobs.parts.catalog.require(job.task)
        require_scopes(named.caller, job_type.run_scopes_of(job.request))
        build_retry = retry_whole if asked.only == "all" else job_type.build_retry
        left = build_retry(job, await named.jobs.load_chunks(job))
        child = await named.jobs.retry(job, left, reason=asked.reason)
        return accept(child, response)

    @logged_as(Action.DELETE_JOB)
    async def delete_job(self, named: NamedJob) -> None:
        """Delete a finished job and its history; its bars stay."""
        await named.jobs.delete(await named.find(self.queue))


def jobs_router(routes: JobRoutes) -> APIRouter:
    """Return the router of one queue's jobs."""
    router = FeatureRouter(prefix=jobs_path(routes.queue), tags=[f"{routes.queue} jobs"])
    listing = describe_problems(BAD_CURSOR, INVALID)
    router.add_api_route("", routes.list_jobs, response_model=JobPage, responses=listing, dependencies=_READS)
    # Before the route of one job, which would match the path.
    router.add_api_route("/stats", routes.job_stats, response_model=QueueStats, dependencies=_READS)
    # Not in routers of their own: each level costs a request 20 µs.
    _add_readings(router, routes)
    _add_writings(router, routes)
    return router


def _add_readings(router: APIRouter, routes: JobRoutes) -> None:
    view: dict[int | str, dict[str, Any]] = {200: {"model": routes.view_model}}
    events, logs = [*_READS, Depends(count_stream)], [*_READS, Depends(count_log_stream)]
    router.add_api_route(
        _ONE, routes.get_job, response_model=JobView, responses=_OF_ONE | view | _NOT_MODIFIED, dependencies=_READS
    )
    router.add_api_route(
        f"{_ONE}/events",
        routes.job_events,
        response_class=StreamingResponse,
        responses=_OF_ONE | EVENT_ANSWERS,
        dependencies=events,
    )
    router.add_api_route(
        f"{_ONE}/logs", routes.job_logs, response_model=LogPage, responses=_OF_ONE | LOG_ANSWERS, dependencies=logs
    )
    router.add_api_route(f"{_ONE}/failures", routes.list_failures, responses=_OF_ONE, dependencies=_READS)
    router.add_api_route(f"{_ONE}/chunks", routes.list_chunks, responses=_OF_ONE, dependencies=_READS)


def _add_writings(router: APIRouter, routes: JobRoutes) -> None:
    conflict = _OF_ONE | describe_problems(CONFLICT)
    body = conflict | describe_problems(BAD_JSON, MEDIA_TYPE, TOO_LARGE)
    for verb, change in (("cancel", routes.cancel_job), ("retry", routes.retry_job)):
        router.add_api_route(
            f"{_ONE}/{verb}", change, methods=["POST"], status_code=202, responses=body, dependencies=_WRITES
        )
    router.add_api_route(
        _ONE, routes.delete_job, methods=["DELETE"], status_code=204, responses=conflict, dependencies=_WRITES
    )


def queue_routers(catalog: Catalog) -> Iterator[APIRouter]:
    """Yield two routers for each queue: the routes of its jobs, and the routes that submit its job types."""
    for queue in catalog.queues:
        job_types = catalog.of(queue)
        yield jobs_router(JobRoutes(queue, job_types))
        yield submit_router(queue, job_types)


def _show_job(queue: str, task: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the example of a job of a queue; of a queue other than `ingest` it has no result yet."""
    job: dict[str, Any] = example_of(JobView)
    if queue == job["queue"]:
        return job
    shown = {"queue": queue, "task": task, "request": dict(request), "links": job_links(queue, job["job_id"])}
    return job | shown | {"market": None, "intervals": None, "result": None}
