"""The pages of analyses: the list, the form, and one report with sources, agreement and cost."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote
from uuid import uuid4

from fastapi import APIRouter, Query, Request, Response, status

from kaboom.analysis.routes import ModelsView
from kaboom.analysis.vocabulary import VERDICTS
from kaboom.dashboard.analyses import count_verdicts, read_reports, request_of, say_outcome, sum_up
from kaboom.dashboard.charts import draw_picture
from kaboom.dashboard.job_rows import JobRow
from kaboom.dashboard.links import page_links
from kaboom.dashboard.page_request import OpenPage, Page, ask_names_of
from kaboom.dashboard.unknown import AnyId, ask_job
from kaboom.dashboard.viewer import check_form, first_of, read_form
from kaboom.jobs.api.view import Accepted, JobPage
from kaboom.jobs.deps import needs
from kaboom.pictures.model import Picture
from kaboom.pictures.process import can_draw
from kaboom.portfolio.views import PortfolioList, PortfolioView
from kaboom.web.auth.scopes import Scope

router = APIRouter()


API = "/api/v1/ai-analysis"
_PAGE = 50
#: The letters of the id of a job, which some analyses are about; codes of symbols are shorter.
_JOB_ID = 32
_FIELDS = ("kind", "symbols", "portfolio_id", "job_id", "session", "analyst")
_Given = Annotated[str, Query(max_length=400)]


@router.get("/analyses", dependencies=[needs(Scope.JOBS_READ)])
async def show_analyses(page: Page, cursor: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Show analyses, newest first."""
    jobs, models = await asyncio.gather(
        page.api.get(JobPage, f"{API}/jobs", cursor=cursor, limit=_PAGE), page.api.get(ModelsView, f"{API}/models")
    )
    language = page.viewer.language
    if jobs.status == status.HTTP_400_BAD_REQUEST and cursor:
        # The cursor is of an older release: begin with the first row.
        return page.go_to("/analyses")
    return await page.show(
        "analyses/list.html",
        found=jobs,
        models=models,
        rows=[(row, count_verdicts(row.result.get("analyses") or (), language)) for row in map(JobRow, jobs.items)],
        say_outcome=say_outcome,
        **page_links("/analyses", jobs, cursor),
    )


@router.get("/analyses/new", dependencies=[needs(Scope.JOBS_READ)])
async def show_form(
    page: Page, kind: _Given = "", symbols: _Given = "", portfolio_id: _Given = "", job_id: _Given = ""
) -> Response:
    """Show the form, filled with the values of the query."""
    given = {"kind": kind or "technical", "symbols": symbols, "portfolio_id": portfolio_id, "job_id": job_id}
    return await _show(page, given)


@router.post("/analyses/new", dependencies=[needs(Scope.JOBS_WRITE)])
async def submit(page: Page, request: Request) -> Response:
    """Submit an analysis, or a dry run that shows what would be sent; a refused form is shown with the reason."""
    fields = await read_form(request)
    given = {name: first_of(fields, name).strip() for name in _FIELDS}
    body = request_of(given, page.viewer.language)
    # A form that is sent twice submits once.
    reply = await page.api.post(Accepted, f"{API}/analyse", body, key=first_of(fields, "key")[:64])
    if reply.is_ok:
        return page.go_to(f"/analyses/{reply.data.job_id}")
    if reply.status in {status.HTTP_401_UNAUTHORIZED, status.HTTP_403_FORBIDDEN}:
        return await page.show_problem(reply)
    return await _show(page, given, reply.status, problem=reply.problem)


@router.post("/analyses/close-breaker", dependencies=[needs(Scope.JOBS_READ), needs(Scope.ADMIN)])
async def close_breaker(page: Page, request: Request) -> Response:
    """Ask models again after a 402."""
    await check_form(request)
    (await page.api.delete(f"{API}/models/breaker")).require()
    return page.go_to("/analyses")


async def _show(
    page: OpenPage, given: Mapping[str, str], status_code: int = 200, *, problem: Mapping[str, Any] | None = None
) -> Response:
    models, portfolios = await asyncio.gather(page.api.get(ModelsView, f"{API}/models"), _ask_portfolios(page))
    return await page.show(
        "analyses/form.html",
        status_code,
        given={"session": "", **given},
        kinds=[kind.value for kind in VERDICTS],
        models=models,
        portfolios=portfolios,
        problem=problem,
        key=uuid4().hex,
    )


async def _ask_portfolios(page: OpenPage) -> Sequence[PortfolioView]:
    """Return the portfolios that the viewer may see; none if they are unavailable."""
    if not page.viewer.may(Scope.PORTFOLIOS_READ):
        return []
    return (await page.api.get(PortfolioList, "/api/v1/portfolios")).items


@router.get("/analyses/{job_id}", dependencies=[needs(Scope.JOBS_READ)])
async def show_analysis(page: Page, job_id: AnyId) -> Response:
    """Show an analysis; until it has ended, the page reloads automatically."""
    job, models = await asyncio.gather(ask_job(page, "ai-analysis", job_id), page.api.get(ModelsView, f"{API}/models"))
    row, language = JobRow(job), page.viewer.language
    previews, analyses = row.result.get("previews") or [], row.result.get("analyses") or []
    judged = [one for one in (*analyses, *previews) if one["picture"] != "none"]
    pictures, names = await asyncio.gather(
        _draw_pictures(page, job_id, [one["subject"] for one in judged]),
        ask_names_of(page, [one["subject"] for one in (*analyses, *previews) if len(one["subject"]) < _JOB_ID]),
    )
    return await page.show(
        "analyses/preview.html" if previews else "analyses/one.html",
        row=row,
        result=row.result,
        request=row.job.request or {},
        reports=read_reports(row.result, language, pictures),
        verdicts=count_verdicts(analyses, language),
        say_outcome=say_outcome,
        names=names,
        pictures=pictures,
        whole=sum_up(row.result),
        models=models,
        has_png=can_draw(),
        key=uuid4().hex,
    )


async def _draw_pictures(page: OpenPage, job_id: str, symbols: Sequence[str]) -> Mapping[str, str]:
    """Return the candles of symbols as markup, as far as the viewer may see them and they are kept."""
    if not page.viewer.may(Scope.BARS_READ):
        return {}
    found = await asyncio.gather(
        *(page.api.get(Picture, f"{API}/results/{job_id}/{quote(symbol, safe='')}.json") for symbol in symbols)
    )
    drawn = zip(symbols, (reply.view for reply in found), strict=True)
    return {symbol: draw_picture(picture, page.viewer.language) for symbol, picture in drawn if picture is not None}
