"""The list of jobs, of a queue or of all: from the ledger, with live values for unfinished jobs, written once."""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from kaboom.errors import InvalidRequest, StoreError
from kaboom.jobs.api.view import JobPage, conceal, view_job
from kaboom.jobs.api.words import Instant
from kaboom.jobs.deps import Cursors, Jobs, Shared, needs
from kaboom.jobs.model import TRANSITIONS, Job, JobStatus, Queue
from kaboom.jobs.postgres.port import JobQuery, does_mention
from kaboom.jobs.redis.workers import Worker
from kaboom.web.auth.scopes import Scope
from kaboom.web.errors import BAD_CURSOR, INVALID, describe_problems
from kaboom.web.routers import HEX_ID, link_next


async def answer_together(shared: Shared, request: Request, find: Callable[[], Awaitable[Response]]) -> Response:
    """Answer as `find` does, once for all concurrent requests of an owner with the same path and query."""
    found = await shared.ask((request.scope["path"], request.scope["query_string"]), find)
    # Each caller gets its own response: middleware adds headers to it.
    return Response(found.body, headers=dict(found.headers))


async def answer_with_model(shared: Shared, request: Request, find: Callable[[], Awaitable[BaseModel]]) -> Response:
    """Answer with the model that `find` returns, once for all requests as `answer_together` does."""

    async def answer() -> Response:
        return build_answer((await find()).model_dump_json())

    return await answer_together(shared, request, answer)


def build_answer(text: str) -> Response:
    """Return JSON text as an answer."""
    return Response(text, media_type="application/json")


#: About 700 bytes each.
_MOST = 1000


class JobWriter:
    """Writes jobs as JSON, as `JobPage` would; caches the text of ended jobs, which never change."""

    def __init__(self) -> None:
        self._written: OrderedDict[str, tuple[Job, str]] = OrderedDict()

    def write_page(
        self,
        jobs: Sequence[tuple[Job, frozenset[Scope]]],
        workers: Sequence[Worker],
        *,
        next_cursor: str | None,
        searched_back_to: datetime | None = None,
    ) -> str:
        """Return a page of jobs, each with the scopes that the caller lacks for it."""
        items = ",".join(self._write(job, workers, lacks) for job, lacks in jobs)
        rest = {"next_cursor": next_cursor, "searched_back_to": searched_back_to}
        return f'{{"items":[{items}],{orjson.dumps(rest, option=orjson.OPT_UTC_Z).decode()[1:]}'

    def _write(self, job: Job, workers: Sequence[Worker], lacks: frozenset[Scope]) -> str:
        if lacks:
            return view_job(job, workers=workers, lacks=lacks).model_dump_json()
        known = self._written.get(job.job_id)
        # Compare by identity: a job that the ledger has read again may differ.
        if known and known[0] is job:
            return known[1]
        text = view_job(job, workers=workers).model_dump_json()
        if job.status.is_final:
            self._written[job.job_id] = job, text
            if len(self._written) > _MOST:
                self._written.popitem(last=False)
        return text


#: A list waits no longer than this for live values; after that it shows the values of the ledger.
_OVERLAY_S = 1.0
#: A page of a search reads at most this many jobs, at about 10 µs each; its cursor then leads to older jobs.
SEARCHED_JOBS = 20_000
_OPEN = frozenset(s for s in JobStatus if TRANSITIONS[s])


class Listing(BaseModel):
    """The filters and the page of a list of jobs."""

    model_config = ConfigDict(extra="forbid")

    status: list[JobStatus] = Field(default=[], max_length=7)
    task: list[Annotated[str, Field(max_length=60, examples=["backtest.run"])]] = Field(
        default=[], max_length=20, description="only jobs of these kinds; default: all"
    )
    q: str = Field(
        default="",
        max_length=100,
        pattern=r"^[^\x00-\x1f]*$",
        description="words that a job mentions, all of them: how its id begins, part of its task, market or error, "
        "or a symbol, provider or session of its request",
    )
    since: Instant | None = Field(default=None, description="requested then or later")
    until: Instant | None = Field(default=None, description="requested before then")
    parent_id: str | None = Field(
        default=None, pattern=f"^{HEX_ID.pattern}$", description="only the retries of this job"
    )
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=200, description="next_cursor of the page before")


@dataclass(frozen=True, slots=True)
class JobList:
    """The jobs of one owner in some queues as one list, for callers with some scopes."""

    queues: tuple[str, ...]
    owner: str
    scopes: frozenset[Scope]
    cursors: Cursors
    writer: JobWriter = field(repr=False)

    async def answer(self, jobs: Jobs, request: Request, query: Listing) -> Response:
        """Answer with the page that a query asks for, and link to the next one.

        Raises:
            BadCursor: the cursor is not of this list.
            InvalidRequest: a task is of no kind that this release has.

        """
        unknown = [task for task in query.task if jobs.parts.catalog.find(task) is None]
        if unknown:
            known = ", ".join(each.name for each in jobs.parts.catalog)
            raise InvalidRequest(f"task was {unknown[0]!r}, expected one of {known}", pointer="/task")
        asked, history = await self._to_query(query), jobs.parts.history
        end = await history.find_end(asked, jobs=SEARCHED_JOBS) if asked.words else None
        found = await history.list_jobs(replace(asked, down_to=end))
        live, workers = await asyncio.gather(_overlay(jobs, found), _in_time(jobs.parts.store.workers(), []))
        wanted = [job for job in live if not query.status or job.status in query.status]
        items = [(job, jobs.parts.catalog.scopes_of(job) - self.scopes) for job in wanted]
        if asked.words:
            # A search must not find what it does not show.
            items = [(job, lacks) for job, lacks in items if not lacks or _does_mention_all(conceal(job), asked.words)]
        # Count the jobs that the ledger found: live values may have removed some of them from the page.
        is_full = len(found) == query.limit
        cursor = back_to = None
        if is_full:
            cursor = (await self.cursors.signer()).encode(found[-1], self._scope(query))
        elif end:
            back_to, job_id = end
            cursor = (await self.cursors.signer()).encode_place([back_to.isoformat(), job_id], self._scope(query))
        text = self.writer.write_page(items, workers, next_cursor=cursor, searched_back_to=back_to)
        answer = build_answer(text)
        link_next(request, answer.headers, cursor)
        return answer

    async def _to_query(self, query: Listing) -> JobQuery:
        wanted, before = frozenset(query.status), None
        if query.cursor:
            before = (await self.cursors.signer()).decode(query.cursor, self._scope(query))
        return JobQuery(
            self.queues,
            self.owner,
            # The ledger learns late of a running job's state: list all open jobs, then filter by the state in Redis.
            statuses=wanted | _OPEN if wanted & _OPEN else wanted,
            tasks=frozenset(query.task),
            since=query.since,
            until=query.until,
            parent_id=query.parent_id,
            words=tuple(query.q.split()),
            before=before,
            limit=query.limit,
        )

    def _scope(self, query: Listing) -> list[object]:
        """Return what identifies this list; the cursor of a list with another scope is rejected."""
        wanted = [sorted(query.status), query.q.split(), query.since, query.until]
        # A filter that was added later is left out where it is empty: a cursor of before stays good.
        later = [each for each in (query.parent_id, sorted(query.task)) if each]
        return [*self.queues, self.owner, *wanted, *later]


def _does_mention_all(job: Job, words: Sequence[str]) -> bool:
    return all(does_mention(job, word) for word in words)


async def _overlay(jobs: Jobs, found: Sequence[Job]) -> list[Job]:
    """Replace unfinished jobs by their live records, in one round trip per queue; without Redis keep the ledger's."""
    open_ids: dict[str, list[str]] = defaultdict(list)
    for job in found:
        if not job.status.is_final:
            open_ids[job.queue].append(job.job_id)
    loading = (jobs.parts.store.load(queue, ids) for queue, ids in open_ids.items())
    loaded = await _in_time(asyncio.gather(*loading), [])
    live = {job.job_id: job for jobs_of_queue in loaded for job in jobs_of_queue if job}
    return [live.get(job.job_id, job) for job in found]


async def _in_time[T](question: Awaitable[T], otherwise: T) -> T:
    try:
        async with asyncio.timeout(_OVERLAY_S):
            return await question
    except (StoreError, TimeoutError):
        return otherwise


_writer = JobWriter()

router = APIRouter(tags=["jobs"])


class ListingOfQueues(Listing):
    """The jobs to list, by queue and by the filters of `Listing`."""

    queue: list[Queue] = Field(default=[], max_length=len(Queue), description="only these; default: all")


@router.get(
    "/api/v1/jobs",
    response_model=JobPage,
    responses=describe_problems(BAD_CURSOR, INVALID),
    dependencies=[needs(Scope.JOBS_READ)],
)
async def list_all_jobs(
    jobs: Jobs, cursors: Cursors, shared: Shared, request: Request, query: Annotated[ListingOfQueues, Query()]
) -> Response:
    """List the jobs of all queues, or of some, as one list, newest first.

    Each item has the links of its own queue; one cursor leads through all of them.
    """
    queues = tuple(sorted({queue.value for queue in query.queue or jobs.parts.catalog.queues}))
    found = JobList(queues, shared.owner, shared.scopes, cursors, _writer)
    return await answer_together(shared, request, lambda: found.answer(jobs, request, query))
