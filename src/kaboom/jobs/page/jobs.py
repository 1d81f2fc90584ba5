"""The jobs of all queues: searched, filtered by links or saved views, page by page; and the stream of their changes."""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlencode

import orjson
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, Field, field_validator
from starlette.responses import StreamingResponse

from kaboom.dashboard.job_rows import JobRow, sum_states
from kaboom.dashboard.links import link_to, page_links
from kaboom.dashboard.live import LiveRows
from kaboom.dashboard.page_request import Page
from kaboom.jobs.api.sse import STREAM_HEADERS
from kaboom.jobs.api.view import AllStats, JobPage, QueueStats
from kaboom.jobs.deps import count_stream, needs
from kaboom.jobs.model import USER_QUEUES, JobStatus, Queue
from kaboom.jobs.redis.events import EVENT_STREAM
from kaboom.market.calendar import JST
from kaboom.web.auth.scopes import Scope
from kaboom.web.services import services_of

router = APIRouter()


_Id = Annotated[str, Query(max_length=50)]
COOKIE = "kaboom_views"
_MOST = 12
_NAME_CHARACTERS = 40
_QUERY_CHARACTERS = 300
#: The query parameters that a view keeps.
_KEPT = frozenset({"q", "status", "queue", "period"})


@router.get("/live/jobs", dependencies=[needs(Scope.JOBS_READ), Depends(count_stream)])
async def stream_rows(
    page: Page,
    request: Request,
    after: _Id = "",
    last: Annotated[str, Header(alias="Last-Event-ID", max_length=50)] = "",
) -> StreamingResponse:
    """Stream changed rows; a page that reconnects sends the id of the last event that it received."""
    live = services_of(request.app).find(LiveRows)
    headers = STREAM_HEADERS | {"Cache-Control": "no-store"}
    return StreamingResponse(live.watch(page, after=last or after), media_type=EVENT_STREAM, headers=headers)


_PAGE = 50
#: Days back, by the word in the query, the first being the default; "today" begins at midnight in Japan.
PERIODS: Mapping[str, int | None] = {"any": None, "today": 0, "7d": 7, "30d": 30}
STATES = tuple(status.value for status in JobStatus if status is not JobStatus.CANCELLING)


class JobFilters(BaseModel):
    """The query of the page; unknown fields are ignored, so that old links still open."""

    q: str = Field(default="", max_length=100)
    status: list[JobStatus] = Field(default=[], max_length=7)
    #: None for the queues of users' jobs.
    queue: Queue | Literal["all"] | None = None
    period: str = "any"
    cursor: str | None = Field(default=None, max_length=200)
    done: str | None = None
    n: int = 0
    refused: int = 0

    @field_validator("queue", "cursor", mode="before")
    @classmethod
    def _drop_empty(cls, value: object) -> object:
        # Without JavaScript, a form also sends its empty fields.
        return value or None

    @field_validator("period")
    @classmethod
    def _know_period(cls, text: str) -> str:
        return text if text in PERIODS else "any"

    def to_api(self, now: datetime) -> dict[str, object]:
        """Return the query of the API."""
        statuses = [status.value for status in self.status]
        return {
            "q": "".join(letter for letter in self.q if letter >= " "),
            "status": statuses + (["cancelling"] if "running" in statuses else []),
            "queue": [queue.value for queue in self.queues],
            "since": self.since(now),
        }

    @property
    def queues(self) -> tuple[Queue, ...]:
        """The queues whose jobs are listed."""
        if self.queue is None:
            return USER_QUEUES
        return tuple(Queue) if self.queue == "all" else (self.queue,)

    def since(self, now: datetime) -> str | None:
        """Return the time from which jobs are listed."""
        days = PERIODS.get(self.period)
        if days is None:
            return None
        start = datetime.combine(now.astimezone(JST).date() - timedelta(days=days), time(), JST)
        return start.isoformat()

    @property
    def has_counts(self) -> bool:
        """Return whether the API's counts by state match the list: the API counts all jobs of a queue."""
        return not self.q and PERIODS.get(self.period) is None

    def link(self, **changed: object) -> str:
        """Return the link of the page with some filters changed, from its first row on."""
        kept = self.model_dump(mode="json", include={"q", "status", "queue"})
        kept["period"] = "" if self.period == "any" else self.period
        return link_to("/jobs", **kept | changed)


@router.get("/jobs", dependencies=[needs(Scope.JOBS_READ)])
async def show_jobs(page: Page, filters: Annotated[JobFilters, Query()]) -> Response:
    """Show the jobs that match the query, newest first."""
    asked = filters.to_api(page.viewer.now) | {"cursor": filters.cursor, "limit": _PAGE}
    jobs, stats = await asyncio.gather(
        page.api.get(JobPage, "/api/v1/jobs", **asked), page.api.get(AllStats, "/api/v1/jobs/stats")
    )
    if jobs.status == 400 and filters.cursor:
        # The cursor is of an older release or of other filters: begin with the first row.
        return page.go_to(filters.link())
    return await page.show(
        "jobs.html",
        jobs=jobs,
        stats=_stats_of(stats.data, filters) if stats.is_ok else None,
        counts=filters.has_counts,
        rows=[JobRow(job) for job in jobs.items],
        **page_links(filters.link(), jobs, filters.cursor),
        filters=filters,
        states=STATES,
        periods=tuple(PERIODS),
        queues=[queue.value for queue in Queue],
        views=read_views(page.request),
    )


def _stats_of(stats: AllStats, filters: JobFilters) -> AllStats | QueueStats:
    """Return the statistics of one queue, or of all with the counts of those listed."""
    listed = [each for each in stats.queues if each.queue in filters.queues]
    return listed[0] if len(listed) == 1 else stats.model_copy(update={"by_status": sum_states(listed)})


@dataclass(frozen=True, slots=True)
class View:
    """A saved view."""

    name: str
    query: str


def read_views(request: Request) -> list[View]:
    """Return the views of the request's cookie; invalid views are left out."""
    try:
        found = orjson.loads(base64.urlsafe_b64decode(request.cookies.get(COOKIE, "") or "W10="))
    except (ValueError, binascii.Error):
        return []
    if not isinstance(found, list):
        return []
    pairs = [each for each in found if isinstance(each, list) and len(each) == 2]
    return [View(name, query) for name, query in pairs if isinstance(name, str) and isinstance(query, str)][:_MOST]


def add_view(views: list[View], name: str, query: str) -> list[View]:
    """Return the views with a new one first; a view of the same name is replaced, and the oldest are dropped."""
    name = " ".join(name.split())[:_NAME_CHARACTERS]
    kept = urlencode([pair for pair in parse_qsl(query) if pair[0] in _KEPT])
    if not name or len(kept) > _QUERY_CHARACTERS:
        return views
    return [View(name, kept), *drop_view(views, name)][:_MOST]


def drop_view(views: list[View], name: str) -> list[View]:
    """Return the views without one."""
    return [view for view in views if view.name != name]


def write_views(views: list[View]) -> str:
    """Return the cookie's value."""
    return base64.urlsafe_b64encode(orjson.dumps([[view.name, view.query] for view in views])).decode()
