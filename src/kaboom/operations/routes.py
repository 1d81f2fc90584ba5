"""Routes of the overview, over all queues: workers, statistics, alerts, providers, dead letters and changes."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal

import orjson
from fastapi import Depends, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest
from kaboom.health.routes import Readiness
from kaboom.jobs.api.job_list import answer_with_model, build_answer
from kaboom.jobs.api.sse import STREAM_HEADERS, LastEventId
from kaboom.jobs.api.view import AllStats, find_stats
from kaboom.jobs.deps import Caller, Cursors, Jobs, Preferred, Shared, count_stream, needs
from kaboom.jobs.engine.health_checks import KeptAnswers
from kaboom.jobs.model import JobStatus, Queue
from kaboom.jobs.postgres.activity import ActivityQuery
from kaboom.jobs.redis.events import EVENT_STREAM, parse_event_id
from kaboom.operations.alerts import AlertsFound, Kind, Severity, find_alerts
from kaboom.operations.dead_letters import DeadLetterListing, DeadLetterPage, page_dead_letters
from kaboom.operations.feed import JobChange, JobFeed
from kaboom.operations.providers import ProviderList, list_providers
from kaboom.operations.settings import SettingList, list_settings
from kaboom.operations.workers import WorkerList, list_workers
from kaboom.text.catalogue import Language
from kaboom.text.tables import say_title
from kaboom.text.translate import translate
from kaboom.web.auth.scopes import Scope
from kaboom.web.errors import BAD_CURSOR, INVALID, describe_problems
from kaboom.web.rate_limit import FORWARDED_WARNING, AddressLimiter
from kaboom.web.routers import FeatureRouter, example_of, link_next
from kaboom.web.services import service

#: The most steps of a series.
_MOST_BINS = 1500
_FINAL = [status.value for status in JobStatus if status.is_final]


class QueueSeries(BaseModel):
    """The activity of the caller's jobs in one queue; each list has one value for each step."""

    queue: str = Field(examples=["ingest"])
    settled: list[int] = Field(
        description="items that got an outcome, counted when their chunk or their short job ended", examples=[[0, 1651]]
    )
    failed: list[int] = Field(description="items of `settled` that failed", examples=[[0, 37]])
    waiting: list[int] = Field(
        description="the most jobs that waited at the same time, each for a second or longer", examples=[[0, 2]]
    )
    finished: dict[str, list[int]] = Field(
        description="jobs that ended, by their state",
        examples=[{"completed": [0, 0], "partial": [0, 1], "failed": [0, 0], "cancelled": [0, 0]}],
    )


class Series(BaseModel):
    """The activity of the queues in steps of equal length, oldest first; the last step is not over yet."""

    step_min: int = Field(examples=[15])
    begins_at: list[AwareDatetime] = Field(examples=[["2025-11-04T07:15:00Z", "2025-11-04T07:30:00Z"]])
    queues: list[QueueSeries]


class SeriesListing(BaseModel):
    """The time span of a series, and the length of its steps."""

    model_config = ConfigDict(extra="forbid")

    hours: int = Field(default=24, ge=1, le=24 * 31)
    step_min: int = Field(default=15, ge=1, le=24 * 60)
    queue: list[Queue] = Field(default=[], max_length=len(Queue), description="only these; default: all")

    def to_query(self, queues: Sequence[str], owner: str, now: datetime) -> ActivityQuery:
        """Return the query for the jobs of an owner.

        Steps begin at multiples of their length in UTC, so that a chart does not shift with each request.

        Raises:
            InvalidRequest: the steps are too short for the time span.

        """
        bins = -(-self.hours * 60 // self.step_min)
        if bins > _MOST_BINS:
            least = -(-self.hours * 60 // _MOST_BINS)
            raise InvalidRequest(f"step_min was {self.step_min}, expected {least} or more for {self.hours} hours")
        step = timedelta(minutes=self.step_min)
        end = datetime.fromtimestamp((now.timestamp() // step.total_seconds() + 1) * step.total_seconds(), tz=UTC)
        wanted = tuple(sorted({queue.value for queue in self.queue} or set(queues)))
        return ActivityQuery(wanted, owner, end - bins * step, step, bins)


async def find_all_stats(jobs: Jobs, owner: str) -> AllStats:
    """Return the statistics of an owner's jobs in every queue, and their sums.

    Raises:
        StoreError: a store is unavailable.

    """
    parts, queues = jobs.parts, jobs.parts.catalog.queues
    found = await asyncio.gather(*(find_stats(jobs, queue, owner) for queue in queues))
    running = await asyncio.gather(*(parts.store.running(queue) for queue in queues))
    waited = [stats.oldest_queued_s for stats in found if stats.oldest_queued_s is not None]
    return AllStats(
        by_status={s.value: sum(stats.by_status[s.value] for stats in found) for s in JobStatus},
        waiting_messages=sum(stats.waiting_messages for stats in found),
        oldest_queued_s=max(waited, default=None),
        running_chunks=sum(running),
        workers_online=max(stats.workers_online for stats in found),
        slots_online=max(stats.slots_online for stats in found),
        queues=found,
    )


async def find_series(jobs: Jobs, query: ActivityQuery) -> Series:
    """Return the activity of the queues over time, from the ledger alone.

    Raises:
        StoreError: the ledger is unavailable.

    """
    found = await jobs.parts.history.activity(query)
    nothing = [0] * query.bins
    return Series(
        step_min=round(query.step.total_seconds() / 60),
        begins_at=[query.since + number * query.step for number in range(query.bins)],
        queues=[
            QueueSeries(
                queue=queue,
                settled=activity.settled,
                failed=activity.failed,
                waiting=activity.waiting,
                finished={status: activity.finished.get(status, nothing) for status in _FINAL},
            )
            for queue, activity in sorted(found.items())
        ],
    )


class AlertView(BaseModel):
    """One alert: something that a person should look at."""

    kind: Kind = Field(examples=["ingest_missed"])
    severity: Severity = Field(
        description="page: somebody is needed now; warning: it can wait until the morning", examples=["page"]
    )
    title: str = Field(
        description="in the language of Accept-Language: en or ja",
        examples=["A session's daily ingest was not complete by 18:00 JST"],
    )
    about: str = Field(
        description="which part, queue, series, schedule, provider or channel; empty if there is one only",
        examples=["TSE_PRIME 1m"],
    )
    detail: str = Field(examples=["the newest session is not complete, 3.2 h after it was due"])
    since: AwareDatetime | None = Field(examples=["2025-11-04T09:00:00Z"])
    command: str = Field(
        description="the command to begin with", examples=["kaboom ingest backfill --market TSE_PRIME --interval 1m"]
    )
    link: str = Field(
        description="the path in this API that shows it",
        examples=["/api/v1/coverage/sessions?market=TSE_PRIME&interval=1m"],
    )


class AlertList(BaseModel):
    """The current alerts, most severe first. `unknown` has the kinds that could not be checked."""

    items: list[AlertView]
    unknown: list[Kind] = Field(examples=[[]])
    verdict: Literal["page", "warning", "ok", "unknown"] = Field(
        description="the worst of `items` and `unknown`", examples=["page"]
    )
    checked_at: AwareDatetime = Field(
        description="some seconds ago at most: answers are shared", examples=["2025-11-04T12:12:00Z"]
    )


def view_alerts(found: AlertsFound, language: Language) -> AlertList:
    """Return the alerts in a language."""
    items = [
        AlertView(
            title=say_title("alert", alert.kind, language),
            **asdict(alert) | {"detail": translate(alert.detail, language)},
        )
        for alert in found.alerts
    ]
    return AlertList(items=items, unknown=list(found.unknown), verdict=_judge(found), checked_at=found.checked_at)


def _judge(found: AlertsFound) -> Literal["page", "warning", "ok", "unknown"]:
    severities = {alert.severity for alert in found.alerts}
    if Severity.PAGE in severities:
        return "page"
    if found.unknown:
        return "unknown"
    return "warning" if severities else "ok"


#: How long an answer is shared by all requests; each page asks every few seconds.
_ALERTS_KEPT_S, _SERIES_KEPT_S = 2.0, 5.0

_CHANGE = f"event: job\ndata: {orjson.dumps(example_of(JobChange)).decode()}\nid: 1762239601512-0\n\n"
CHANGE_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {EVENT_STREAM: {"examples": {"job": {"value": _CHANGE}}}}},
}


@dataclass(frozen=True, slots=True)
class RecentOverviews:
    """The recent answers of a process that cost many queries, and that all pages share: by owner and question."""

    series: KeptAnswers[str] = field(default_factory=lambda: KeptAnswers(for_s=_SERIES_KEPT_S))
    alerts: KeptAnswers[AlertsFound] = field(default_factory=lambda: KeptAnswers(for_s=_ALERTS_KEPT_S))


Recent = Annotated[RecentOverviews, service(RecentOverviews)]
router = FeatureRouter(prefix="/api/v1", tags=["overview"], dependencies=[needs(Scope.JOBS_READ)])
settings_router = FeatureRouter(prefix="/api/v1", tags=["overview"], dependencies=[needs(Scope.ADMIN)])


@router.get("/workers", response_model=WorkerList)
async def get_workers(jobs: Jobs, shared: Shared, request: Request) -> Response:
    """List the workers of the last 15 minutes, also lost workers, and the chunks that each runs now."""
    return await answer_with_model(
        shared, request, lambda: list_workers(jobs.parts.store, jobs.parts.catalog.queues, shared.owner)
    )


@router.get("/jobs/stats", response_model=AllStats)
async def get_stats(jobs: Jobs, shared: Shared, request: Request) -> Response:
    """Count the caller's jobs of all queues by state, and waiting and running chunks; `queues` has each queue."""
    return await answer_with_model(shared, request, lambda: find_all_stats(jobs, shared.owner))


@router.get("/stats/series", response_model=Series, responses=describe_problems(INVALID))
async def get_series(
    jobs: Jobs, caller: Caller, recent: Recent, listing: Annotated[SeriesListing, Query()]
) -> Response:
    """Show the activity of the caller's jobs in each queue over time: settled items, ended jobs, waiting jobs."""
    queues = jobs.parts.catalog.queues
    wanted = listing.to_query(queues, caller.owner, utc_now())

    async def find() -> str:
        return (await find_series(jobs, listing.to_query(queues, caller.owner, utc_now()))).model_dump_json()

    question = (caller.owner, wanted.queues, wanted.step, wanted.bins)
    return build_answer(await recent.series.ask(question, find))


async def _alerts(
    jobs: Jobs, caller: Caller, recent: Recent, readiness: Annotated[Readiness, service(Readiness)]
) -> AlertsFound:
    return await recent.alerts.ask(caller.owner, partial(find_alerts, jobs.parts, readiness, caller.owner))


@router.get("/alerts", response_model=AlertList)
async def list_alerts(found: Annotated[AlertsFound, Depends(_alerts)], language: Preferred) -> Response:
    """List the current alerts, most severe first, each with the first command to run; `[]` if all is well.

    `unknown` has the kinds that could not be checked. Titles and details are English or Japanese, by `Accept-Language`.
    """
    return _spoken(view_alerts(found, language), language)


@router.get("/providers", response_model=ProviderList)
async def get_providers(jobs: Jobs, language: Preferred) -> Response:
    """List the providers: the capabilities, limits, terms and required settings of each, and whether it is paused.

    Texts are English or Japanese, by `Accept-Language`.
    """
    return _spoken(await list_providers(jobs.parts, language, utc_now()), language)


@router.get("/dead-letters", responses=describe_problems(BAD_CURSOR, INVALID))
async def list_dead_letters(
    jobs: Jobs,
    caller: Caller,
    cursors: Cursors,
    request: Request,
    response: Response,
    listing: Annotated[DeadLetterListing, Query()],
) -> DeadLetterPage:
    """List the chunks that were given up, newest first; `links.retry` runs the rest of its job."""
    queues = jobs.parts.catalog.queues
    page = await page_dead_letters(jobs.parts.history, cursors, listing, queues=queues, owner=caller.owner)
    link_next(request, response.headers, page.next_cursor)
    return page


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses=describe_problems(INVALID) | CHANGE_ANSWERS,
    dependencies=[Depends(count_stream)],
)
async def stream_changes(
    caller: Caller, feed: Annotated[JobFeed, service(JobFeed)], last_event_id: LastEventId = None
) -> StreamingResponse:
    """Stream the changed jobs of all queues as server-sent events.

    A `job` event comes at most twice a second for each job. A client that reconnects with `Last-Event-ID` misses
    nothing, or gets `reset` if it missed too many changes, and must reload its list. Without an id, a client gets the
    changes of the last 10 seconds. A stream ends after 10 minutes, or if the client is too slow: reconnect with the
    last id.
    """
    after = last_event_id or ""
    if after:
        parse_event_id(after)
    return StreamingResponse(feed.watch(caller.owner, after=after), media_type=EVENT_STREAM, headers=STREAM_HEADERS)


@settings_router.get("/settings")
async def get_settings(
    jobs: Jobs, addresses: Annotated[AddressLimiter, service(AddressLimiter)], response: Response
) -> SettingList:
    """List the settings of the API process that answers, with `***` for each secret."""
    response.headers["Cache-Control"] = "no-store"
    warned = addresses.has_ignored_forwarded
    return list_settings(jobs.parts.settings, {"KABOOM_PROXY_HOPS": FORWARDED_WARNING} if warned else {})


def _spoken(found: BaseModel, language: Language) -> Response:
    answer = build_answer(found.model_dump_json())
    answer.headers.update({"Content-Language": language, "Vary": "Accept-Language"})
    return answer
