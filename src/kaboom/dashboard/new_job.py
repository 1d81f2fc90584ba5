"""The form of a new job of any kind, made from its request; its preview is a dry run."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Query, Request, Response, status

from kaboom.catalog import CATALOG
from kaboom.dashboard.job_rows import api_path, is_reference, page_of
from kaboom.dashboard.page_request import OpenPage, Page
from kaboom.dashboard.request_form import (
    given_values,
    has_dry_run,
    list_request_fields,
    read_values,
    show_values,
    to_request,
)
from kaboom.dashboard.viewer import first_of, read_form
from kaboom.jobs.api.view import Accepted, JobView
from kaboom.jobs.deps import needs
from kaboom.jobs.job_type import JobType
from kaboom.web.auth.scopes import Scope

router = APIRouter()
#: The kinds of jobs that have a form of their own, which knows more than their request.
OWN_FORMS: Mapping[str, str] = {
    "backtest.run": "/backtests/new",
    "backtest.sweep": "/backtests/sweep",
    "ai_analysis.analyse": "/analyses/new",
}
#: The kinds that are submitted elsewhere: by an event, and on the page of a pipeline.
_ELSEWHERE = frozenset({"notifications.deliver", "market_data.start_pipeline"})
#: The most frequent kinds; those that are not here come after them.
_FIRST = (
    "ingest.run_daily", "ingest.backfill", "market_data.refresh_quotes", "market_data.roll_up",
    "market_data.indicators", "backtest.run", "backtest.sweep", "ai_analysis.analyse",
    "market_data.refresh_symbols", "market_data.mirror", "market_data.take_back", "market_data.compact",
)  # fmt: skip
_Task = Annotated[str, Query(max_length=60)]


@router.get("/jobs/new", dependencies=[needs(Scope.JOBS_READ)])
async def show_new_job(
    page: Page, request: Request, task: _Task = "", again: Annotated[str, Query(alias="from", max_length=80)] = ""
) -> Response:
    """Show the kinds of jobs, or the form of one; the query fills fields, `from` all of them from an earlier job."""
    if is_reference(again):
        job = (await page.api.get(JobView, api_path(again))).data
        return await _show_form(page, job.task, request=job.request or {})
    given = {name: value for name, value in request.query_params.items() if name != "task"}
    return await _show_form(page, task, given=given)


@router.post("/jobs/new", dependencies=[needs(Scope.JOBS_WRITE)])
async def submit_new_job(page: Page, request: Request) -> Response:
    """Submit a job, or its dry run, and open its page; a refused form is shown again with the reason at its field."""
    form = await read_form(request)
    task = first_of(form, "task")
    if (job_type := _find(task)) is None:
        return await _show_form(page, task)
    fields = list_request_fields(task)
    values, is_dry = read_values(fields, form), first_of(form, "action") == "preview"
    body = to_request(fields, values) | ({"dry_run": True} if is_dry and has_dry_run(job_type) else {})
    # A form that is sent twice submits once; its preview is another job.
    key = first_of(form, "key")[:32]
    reply = await page.api.post(Accepted, job_type.path, body, key=key and f"{key}{'-dry' * is_dry}")
    if reply.is_ok:
        return page.go_to(page_of(reply.headers["location"]))
    if reply.status in {status.HTTP_401_UNAUTHORIZED, status.HTTP_403_FORBIDDEN}:
        return await page.show_problem(reply)
    return await _show(page, job_type, values, problem=reply.problem)


async def _show_form(
    page: OpenPage, task: str, *, request: Mapping[str, Any] | None = None, given: Mapping[str, str] | None = None
) -> Response:
    job_type = _find(task)
    if job_type is None:
        kinds = [CATALOG.get(name) for name in _FIRST]
        kinds += [each for each in CATALOG if each.name not in _ELSEWHERE.union(_FIRST)]
        return await page.show("job_new.html", job_type=None, kinds=kinds, own_forms=OWN_FORMS)
    if request is not None:
        return await _show(page, job_type, show_values(list_request_fields(task), request, default=True))
    return await _show(page, job_type, given_values(job_type, given or {}))


async def _show(
    page: OpenPage, job_type: JobType, values: Mapping[str, str], *, problem: Mapping[str, Any] | None = None
) -> Response:
    return await page.show(
        "job_new.html",
        problem["status"] if problem else 200,
        job_type=job_type,
        fields=list_request_fields(job_type.name),
        values=values,
        problem=problem,
        has_dry_run=has_dry_run(job_type),
        key=uuid4().hex,
    )


def _find(task: str) -> JobType | None:
    return None if task in _ELSEWHERE else CATALOG.find(task)
