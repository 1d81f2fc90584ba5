"""The pages of analyses: the list, the form, and one report with sources, agreement and cost."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Query, Request, Response, status

from kaboom.analysis.vocabulary import VERDICTS
from kaboom.dashboard.analyses import Report, request_of, sum_up
from kaboom.dashboard.job_rows import JobRow
from kaboom.dashboard.links import page_links
from kaboom.dashboard.page_request import HexId, OpenPage, Page, ask_all
from kaboom.dashboard.viewer import check_form, first_of, read_form
from kaboom.jobs.deps import needs
from kaboom.pictures.process import can_draw
from kaboom.web.auth.scopes import Scope

router = APIRouter()


API = "/api/v1/ai-analysis"
_PAGE = 50
_FIELDS = ("kind", "symbols", "portfolio_id", "job_id", "session", "analyst")
_Given = Annotated[str, Query(max_length=400)]


@router.get("/analyses", dependencies=[needs(Scope.JOBS_READ)])
async def show_analyses(page: Page, cursor: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Show analyses, newest first."""
    found = await ask_all(jobs=page.ask(f"{API}/jobs", cursor=cursor, limit=_PAGE), models=page.ask(f"{API}/models"))
    jobs = found["jobs"]
    if jobs.status == status.HTTP_400_BAD_REQUEST and cursor:
        # The cursor is of an older release: begin with the first row.
        return page.go_to("/analyses")
    return await page.show(
        "analyses/list.html",
        found=jobs,
        models=found["models"],
        rows=[JobRow(job) for job in jobs.items],
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
    reply = await page.api.post(f"{API}/analyse", body, key=first_of(fields, "key")[:64])
    if reply.is_ok:
        return page.go_to(f"/analyses/{reply.data['job_id']}")
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
    asked = {"models": page.ask(f"{API}/models")}
    if page.viewer.may(Scope.PORTFOLIOS_READ):
        asked["portfolios"] = page.ask("/api/v1/portfolios")
    found = await ask_all(**asked)
    held = found.get("portfolios")
    return await page.show(
        "analyses/form.html",
        status_code,
        given={"session": "", **given},
        kinds=[kind.value for kind in VERDICTS],
        models=found["models"],
        portfolios=held.data["items"] if held and held.is_ok else [],
        problem=problem,
        key=uuid4().hex,
    )


@router.get("/analyses/{job_id}", dependencies=[needs(Scope.JOBS_READ)])
async def show_analysis(page: Page, job_id: HexId) -> Response:
    """Show an analysis; until it has ended, the page reloads automatically."""
    found = await ask_all(job=page.ask(f"{API}/jobs/{job_id}"), models=page.ask(f"{API}/models"))
    found["job"].require()
    row = JobRow(found["job"].data)
    previews = row.result.get("previews") or []
    return await page.show(
        "analyses/preview.html" if previews else "analyses/one.html",
        row=row,
        result=row.result,
        request=row.job["request"] or {},
        reports=[Report(one) for one in row.result.get("analyses") or ()],
        whole=sum_up(row.result),
        models=found["models"],
        draws=can_draw() and page.viewer.may(Scope.BARS_READ),
        key=uuid4().hex,
    )
