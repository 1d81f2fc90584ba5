"""The pages of pipelines: the list, one with its graph and its runs by session, and a run with its steps."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from kaboom.dashboard.page_request import HexId, Page
from kaboom.dashboard.step_graph import MARKS, draw_graph
from kaboom.dashboard.viewer import check_form, first_of, read_form
from kaboom.jobs.deps import needs
from kaboom.pipelines.request import NAME
from kaboom.pipelines.views import PipelineList, PipelineRunView, PipelineView, RunList, StartedRuns
from kaboom.web.auth.scopes import Scope

router = APIRouter()
API, RUNS = "/api/v1/pipelines", "/api/v1/pipeline-runs"
Done = Annotated[str, Query(max_length=20)]
Name = Annotated[str, Path(pattern=NAME)]


@router.get("/pipelines", dependencies=[needs(Scope.JOBS_READ)])
async def show_pipelines(page: Page, done: Done = "") -> Response:
    """Show all pipelines, by name."""
    found = await page.api.get(PipelineList, API)
    return await page.show("operations/pipelines.html", found=found, done=done, run_marks=MARKS)


@router.get("/pipelines/{pipeline}", dependencies=[needs(Scope.JOBS_READ)])
async def show_pipeline(page: Page, pipeline: Name) -> Response:
    """Show one pipeline with its runs."""
    found = (await page.api.get(PipelineView, f"{API}/{pipeline}")).data
    runs = await page.api.get(RunList, f"{API}/{pipeline}/runs", limit=50)
    graph = draw_graph(found.steps)
    return await page.show("operations/pipeline.html", pipeline=found, runs=runs, graph=graph, run_marks=MARKS)


@router.get("/pipeline-runs/{run_id}", dependencies=[needs(Scope.JOBS_READ)])
async def show_pipeline_run(page: Page, run_id: HexId) -> Response:
    """Show one run with the state of each step."""
    run = (await page.api.get(PipelineRunView, f"{RUNS}/{run_id}")).data
    return await page.show("operations/pipeline_run.html", run=run, graph=draw_graph(run.steps), run_marks=MARKS)


# The audit log shows the names of these functions. They are those of the API.
@router.post("/pipelines/{pipeline}/run", dependencies=[needs(Scope.SCHEDULES_WRITE)])
async def run_pipeline(page: Page, request: Request, pipeline: Name) -> Response:
    """Run a pipeline for a session, and open the run."""
    fields = await read_form(request)
    day = first_of(fields, "session").strip()
    body = ({"session": day} if day else {}) | ({"again": True} if first_of(fields, "again") == "yes" else {})
    started = (await page.api.post(StartedRuns, f"{API}/{pipeline}/runs", body)).require().data
    return page.go_to(f"/pipeline-runs/{started.items[0].run_id}")


@router.post("/pipelines/{pipeline}/delete", dependencies=[needs(Scope.SCHEDULES_WRITE)])
async def delete_pipeline(page: Page, request: Request, pipeline: Name) -> Response:
    """Delete a pipeline with the record of its runs."""
    await check_form(request)
    (await page.api.delete(f"{API}/{pipeline}")).require()
    return page.go_to("/pipelines?done=deleted")


@router.post("/pipeline-runs/{run_id}/cancel", dependencies=[needs(Scope.SCHEDULES_WRITE)])
async def cancel_pipeline_run(page: Page, request: Request, run_id: HexId) -> Response:
    """Cancel a run."""
    await check_form(request)
    (await page.api.post(PipelineRunView, f"{RUNS}/{run_id}/cancel")).require()
    return page.go_to(f"/pipeline-runs/{run_id}")


@router.post("/pipeline-runs/{run_id}/retry", dependencies=[needs(Scope.SCHEDULES_WRITE)])
async def retry_pipeline_run(page: Page, request: Request, run_id: HexId) -> Response:
    """Run the steps that did not complete again."""
    await check_form(request)
    (await page.api.post(PipelineRunView, f"{RUNS}/{run_id}/retry")).require()
    return page.go_to(f"/pipeline-runs/{run_id}")
