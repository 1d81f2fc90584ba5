"""The overview: is today's data complete, what runs, the alerts; workers, dead letters and settings."""

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from operator import itemgetter
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, ValidationError

from kaboom.dashboard.api_client import Reply
from kaboom.dashboard.job_rows import JobRow, sum_states
from kaboom.dashboard.links import link_to, page_links
from kaboom.dashboard.page_request import OpenPage, Page
from kaboom.dashboard.series import HeldSeries
from kaboom.dashboard.viewer import first_of, read_form
from kaboom.errors import InvalidRequest
from kaboom.jobs.api.view import Accepted, AllStats, JobPage
from kaboom.jobs.deps import needs
from kaboom.jobs.model import USER_QUEUES
from kaboom.market.calendar import JST, closes_at, opens_at
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market_data.schemas import JudgedSession, SessionPage
from kaboom.operations.dead_letters import DeadLetterPage
from kaboom.operations.providers import ProviderList
from kaboom.operations.routes import AlertList
from kaboom.operations.routes import Series as Activity
from kaboom.operations.settings import SettingList
from kaboom.operations.workers import WorkerList
from kaboom.schedules.schemas import ListedSchedule, ScheduleList
from kaboom.text.tables import say_title
from kaboom.web.auth.scopes import Scope
from kaboom.web.services import services_of

router = APIRouter()


_SESSIONS = 20
_CHART_PX = 114
_SCHEDULES = 5


class Series(BaseModel):
    """The market and interval of the page; other fields of the query are ignored, so that old links still open."""

    market: Market = Market.TSE_PRIME
    interval: Interval = Interval.M1


@router.get("/", dependencies=[needs(Scope.JOBS_READ)])
async def show_overview(page: Page, series: Annotated[Series, Query()]) -> Response:
    """Show the overview; a part that is unavailable does not affect the others."""
    return await page.share(partial(_show, series=series))


async def _show(page: OpenPage, *, series: Series) -> Response:
    api, user_queues = page.api, [queue.value for queue in USER_QUEUES]
    (sessions, jobs, stats), (activity, workers, schedules, alerts) = await asyncio.gather(
        asyncio.gather(
            _ask_sessions(page, series),
            api.get(JobPage, "/api/v1/jobs", limit=5, queue=user_queues),
            api.get(AllStats, "/api/v1/jobs/stats"),
        ),
        asyncio.gather(
            api.get(Activity, "/api/v1/stats/series", hours=24, step_min=15),
            api.get(WorkerList, "/api/v1/workers"),
            api.get(ScheduleList, "/api/v1/schedules"),
            api.get(AlertList, "/api/v1/alerts"),
        ),
    )
    judged = [Completeness(each) for each in sessions.items]
    shown = choose_sessions(judged, page.viewer.now)
    return await page.show(
        "overview.html",
        sessions=sessions,
        jobs=jobs,
        series=activity,
        workers=workers,
        schedules=schedules,
        alerts=alerts,
        titles={each.kind: say_title("alert", each.kind, page.viewer.language) for each in alerts.items},
        market=series.market,
        interval=series.interval,
        held=await services_of(page.request.app).find(HeldSeries).find(page, series.market, series.interval),
        answer=shown.answer,
        trading=shown.trading,
        gaps=build_columns([each.to_fetch for each in shown.opened[::-1]], height=_CHART_PX),
        answers=shown.opened,
        job_count=_count_jobs(stats.data) if stats.is_ok else None,
        rows=[JobRow(job) for job in jobs.items],
        depth=_chart([each.waiting for each in activity.data.queues]) if activity.is_ok else None,
        settled=_chart([each.settled for each in activity.data.queues]) if activity.is_ok else None,
        coming=list_coming(schedules.items),
        today=page.viewer.now.astimezone(JST).date(),
    )


@router.post("/fetch/preview", dependencies=[needs(Scope.BARS_READ)])
async def preview_fetch(page: Page, request: Request) -> Response:
    """Show which bars of a session would be fetched."""
    fields = await read_form(request)
    session, series = _session_of(fields), _series_of(fields)
    found = (await _ask_sessions(page, series, last=session)).data
    answer = next((Completeness(each) for each in found.items if each.session.isoformat() == session), None)
    values = {"answer": answer, "session": session, "market": series.market, "interval": series.interval}
    return await page.show("parts/fetch_preview.html" if page.is_part else "fetch_preview.html", **values)


@router.post("/fetch", dependencies=[needs(Scope.INGEST)])
async def fetch(page: Page, request: Request) -> Response:
    """Fetch the missing bars of a session, and open the job."""
    fields = await read_form(request)
    series = _series_of(fields)
    body = {"intervals": {series.interval.value: 1}, "market": series.market, "last": _session_of(fields)}
    reply = (await page.api.post(Accepted, "/api/v1/ingest/backfill", body)).require()
    return page.go_to(f"/jobs/ingest/{reply.data.job_id}")


async def _ask_sessions(page: OpenPage, series: Series, last: str | None = None) -> Reply[SessionPage]:
    wanted = {"interval": series.interval, "market": series.market, "sessions": _SESSIONS, "last": last}
    return await page.api.get(SessionPage, "/api/v1/coverage/sessions", **wanted)


def _series_of(fields: Mapping[str, Sequence[str]]) -> Series:
    try:
        return Series.model_validate(
            {name: first_of(fields, name) for name in ("market", "interval") if name in fields}
        )
    except ValidationError as e:
        raise InvalidRequest("the form had an unknown market or interval") from e


def _session_of(fields: Mapping[str, Sequence[str]]) -> str:
    session = first_of(fields, "session")
    if not session:
        raise InvalidRequest("the form had no session")
    return session


def _count_jobs(stats: AllStats) -> int:
    """Return how many jobs the list of jobs has."""
    return sum(sum_states(each for each in stats.queues if each.queue in USER_QUEUES).values())


def _chart(queues: Sequence[Sequence[int]]) -> "Columns | None":
    """Return the columns of the sums over all queues."""
    return build_columns([sum(each) for each in zip(*queues, strict=True)], height=_CHART_PX, share=0.9)


def list_coming(schedules: Iterable[ListedSchedule]) -> list[ListedSchedule]:
    """Return the next enabled schedules, by their time."""
    due = sorted(((each.next_at, each) for each in schedules if each.next_at), key=itemgetter(0))
    return [each for _, each in due[:_SCHEDULES]]


#: Pixels above the highest bar, for its number.
TOP = 18
_LEAST_PX = 1.5


@dataclass(frozen=True, slots=True)
class Column:
    """One bar: its left edge and width in percent, its upper edge and height in pixels."""

    x: float
    width: float
    y: float
    height: float
    value: int

    @property
    def middle(self) -> float:
        """The middle of the bar, in percent."""
        return round(self.x + self.width / 2, 3)


@dataclass(frozen=True, slots=True)
class Columns:
    """Bars that stand on zero, oldest first.

    Attributes:
        columns: all bars; a bar of 0 has no height.
        base: the zero line, in pixels from the top.
        top: the value of the upper line: a round number that no bar exceeds.
        peak: the index of the highest bar; None if all are 0.

    """

    columns: Sequence[Column]
    base: int
    top: int
    peak: int | None

    @property
    def last(self) -> Column:
        """The newest bar."""
        return self.columns[-1]


def build_columns(values: Sequence[int], *, height: int, share: float = 0.8) -> Columns | None:
    """Return the bars of some values, each as wide as a share of its step; None without values."""
    if not values:
        return None
    base, top, step = height, _round_up(max(values)), 100 / len(values)
    width = step * share
    columns = []
    for place, value in enumerate(values):
        tall = max(_LEAST_PX, value / top * (base - TOP)) if value else 0.0
        x = place * step + (step - width) / 2
        columns.append(Column(round(x, 3), round(width, 3), round(base - tall, 1), round(tall, 1), value))
    peak = max(range(len(values)), key=values.__getitem__)
    return Columns(columns, base, top, peak if values[peak] else None)


def _round_up(value: int) -> int:
    """Return the next number of the form 1, 2 or 5 times a power of ten; 1 for 0."""
    if value <= 1:
        return 1
    power = 10 ** math.floor(math.log10(value))
    return next(int(factor * power) for factor in (1, 2, 5, 10) if factor * power >= value)


#: The states of coverage in the order of the bar, each with its area and its shape in a list.
STATES: Mapping[str, str] = {
    "complete": "f-ok",
    "short": "f-warn",
    "no_auction": "f-warn",
    "differs": "f-warn",
    "outdated": "f-warn",
    "empty": "f-none",
    "not_final": "f-run",
    "pending": "f-run",
    "lost": "f-bad",
    "missing": "f-bad",
}


@dataclass(frozen=True, slots=True)
class Completeness:
    """A session of `/api/v1/coverage/sessions`."""

    session: JudgedSession

    @property
    def day(self) -> date:
        """The date of the session."""
        return self.session.session

    @property
    def verdict(self) -> str:
        """The verdict of the API: pending, complete, gaps or degraded."""
        return self.session.verdict

    @property
    def listed(self) -> int:
        """Symbols that should have bars: all except those without trades."""
        return self.session.symbols - self.session.empty

    @property
    def to_fetch(self) -> int:
        """Symbols whose bars are missing or lost."""
        return self.session.missing + self.session.lost

    @property
    def held(self) -> int:
        """Symbols that have their bars."""
        return self.listed - self.to_fetch - self.session.pending

    @property
    def parts(self) -> list[tuple[str, str, int]]:
        """The states that occur, with their areas and counts."""
        return [(state, area, n) for state, area in STATES.items() if (n := getattr(self.session, state))]


@dataclass(frozen=True, slots=True)
class ShownSessions:
    """The sessions of the overview, newest first.

    Attributes:
        opened: those that have opened.
        answer: the last closed one, or the oldest of `opened` if none has closed.
        trading: the one that is open now.

    """

    opened: Sequence[Completeness]
    answer: Completeness | None
    trading: Completeness | None


def choose_sessions(sessions: Sequence[Completeness], now: datetime) -> ShownSessions:
    """Return which sessions are shown at a time (aware): one that has not opened says nothing about the data."""
    opened = [each for each in sessions if opens_at(each.day) <= now] or sessions
    answer = next((each for each in opened if closes_at(each.day) <= now), None)
    answer = answer or (opened[-1] if opened else None)
    newest = opened[0] if opened else None
    return ShownSessions(opened, answer, newest if newest is not answer else None)


@router.get("/workers", dependencies=[needs(Scope.JOBS_READ)])
async def show_workers(page: Page) -> Response:
    """Show the workers of the last 15 minutes, and all providers."""
    workers, stats, providers = await asyncio.gather(
        page.api.get(WorkerList, "/api/v1/workers"),
        page.api.get(AllStats, "/api/v1/jobs/stats"),
        page.api.get(ProviderList, "/api/v1/providers"),
    )
    rows = workers.items
    return await page.show(
        "operations/workers.html",
        workers=workers,
        stats=stats,
        providers=providers,
        online=[each for each in rows if each.state == "online"],
        rows=rows,
    )


@router.get("/settings", dependencies=[needs(Scope.ADMIN)])
async def show_settings(page: Page, shown: Annotated[str, Query(pattern="^(all|changed|secret)$")] = "all") -> Response:
    """Show the settings of the API: all, those that are not the default, or only secrets."""
    found = await page.api.get(SettingList, "/api/v1/settings")
    rows = found.items
    kept = {
        "all": rows,
        "changed": [row for row in rows if not row.is_default],
        "secret": [row for row in rows if row.is_secret],
    }
    counts = {name: len(each) for name, each in kept.items()}
    return await page.show("admin/settings.html", found=found, rows=kept[shown], counts=counts, shown=shown)


#: The API's `is_retried` for each `shown` in the query.
_SHOWN = {"open": "false", "retried": "true", "all": None}


class LetterFilters(BaseModel):
    """The query of the page."""

    shown: str = Field(default="open", pattern="^(open|retried|all)$")
    cursor: str | None = Field(default=None, max_length=200)
    done: str = Field(default="", max_length=20)
    n: int = Field(default=0, ge=0, le=1000)
    refused: int = Field(default=0, ge=0, le=1000)


@router.get("/dead-letters", dependencies=[needs(Scope.JOBS_READ)])
async def show_dead_letters(page: Page, filters: Annotated[LetterFilters, Query()]) -> Response:
    """Show chunks that were given up, newest first; by default those whose job was not retried."""
    found = await page.api.get(
        DeadLetterPage, "/api/v1/dead-letters", is_retried=_SHOWN[filters.shown], cursor=filters.cursor
    )
    here = link_to("/dead-letters", shown="" if filters.shown == "open" else filters.shown)
    if found.status == 400 and filters.cursor:
        return page.go_to(here)
    return await page.show(
        "operations/dead_letters.html",
        found=found,
        filters=filters,
        choices=tuple(_SHOWN),
        **page_links(here, found, filters.cursor),
    )
