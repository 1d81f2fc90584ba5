"""The overview: whether today's data is complete, what runs, and the alerts."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ValidationError

from kaboom.dashboard.asking import Reply
from kaboom.dashboard.held_series import HeldSeries
from kaboom.dashboard.page import OpenPage, Page, ask_all
from kaboom.dashboard.shapes.charts import build_columns
from kaboom.dashboard.shapes.completeness import Completeness, choose_sessions
from kaboom.dashboard.shapes.job_rows import JobRow, sum_states
from kaboom.dashboard.viewer import first_of, read_form
from kaboom.errors import InvalidRequest
from kaboom.jobs.deps import needs
from kaboom.jobs.queues import USER_QUEUES
from kaboom.market.calendar import JST
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.web.auth.scopes import Scope

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
    found = await ask_all(
        sessions=_ask_sessions(page, series),
        jobs=page.ask("/api/v1/jobs", limit=5, queue=[queue.value for queue in USER_QUEUES]),
        stats=page.ask("/api/v1/jobs/stats"),
        series=page.ask("/api/v1/stats/series", hours=24, step_min=15),
        workers=page.ask("/api/v1/workers"),
        schedules=page.ask("/api/v1/schedules"),
        alerts=page.ask("/api/v1/alerts"),
    )
    shown = choose_sessions([Completeness(each) for each in found["sessions"].items], page.viewer.now)
    return await page.show(
        "overview.html",
        **found,
        market=series.market,
        interval=series.interval,
        held=await cast("HeldSeries", page.request.app.state.held_series).find(page, series.market, series.interval),
        answer=shown.answer,
        trading=shown.trading,
        gaps=build_columns([each.to_fetch for each in shown.opened[::-1]], height=_CHART_PX),
        answers=shown.opened,
        job_count=_count_jobs(found["stats"]),
        rows=[JobRow(job) for job in found["jobs"].items],
        depth=_chart(found["series"], "waiting"),
        settled=_chart(found["series"], "settled"),
        coming=_coming(found["schedules"]),
        today=page.viewer.now.astimezone(JST).date().isoformat(),
    )


@router.post("/fetch/preview", dependencies=[needs(Scope.BARS_READ)])
async def preview_fetch(page: Page, request: Request) -> Response:
    """Show which bars of a session would be fetched."""
    fields = await read_form(request)
    session, series = _session_of(fields), _series_of(fields)
    found = (await _ask_sessions(page, series, last=session)).require()
    answer = next((Completeness(each) for each in found.data["items"] if each["session"] == session), None)
    values = {"answer": answer, "session": session, "market": series.market, "interval": series.interval}
    return await page.show("parts/fetch_preview.html" if page.is_part else "fetch_preview.html", **values)


@router.post("/fetch", dependencies=[needs(Scope.INGEST)])
async def fetch(page: Page, request: Request) -> Response:
    """Fetch the missing bars of a session, and open the job."""
    fields = await read_form(request)
    series = _series_of(fields)
    body = {"intervals": {series.interval.value: 1}, "market": series.market, "last": _session_of(fields)}
    reply = (await page.api.post("/api/v1/ingest/backfill", body)).require()
    return page.go_to(f"/jobs/ingest/{reply.data['job_id']}")


async def _ask_sessions(page: OpenPage, series: Series, last: str | None = None) -> Reply:
    wanted = {"interval": series.interval, "market": series.market, "sessions": _SESSIONS, "last": last}
    return await page.api.get("/api/v1/coverage/sessions", wanted)


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


def _count_jobs(stats: Reply) -> int | None:
    """Return how many jobs the list of jobs has; None if that is unavailable."""
    if not stats.is_ok:
        return None
    return sum(sum_states(each for each in stats.data["queues"] if each["queue"] in USER_QUEUES).values())


def _chart(series: Reply, name: str) -> Any:
    """Return the columns of the sums over all queues."""
    if not series.is_ok:
        return None
    values = [each[name] for each in series.data["queues"]]
    return build_columns([sum(each) for each in zip(*values, strict=True)], height=_CHART_PX, share=0.9)


def _coming(schedules: Reply) -> list[Mapping[str, Any]]:
    """Return the next enabled schedules, by their time."""
    found = schedules.items
    return sorted((each for each in found if each["next_at"]), key=lambda each: str(each["next_at"]))[:_SCHEDULES]
