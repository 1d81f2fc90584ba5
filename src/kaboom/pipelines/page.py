"""The pages of pipelines: the list, one with its graph and its runs by session, and a run with its steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from kaboom.dashboard.job_rows import MARKS as JOB_MARKS
from kaboom.dashboard.page_request import HexId, Page
from kaboom.dashboard.viewer import check_form, first_of, read_form
from kaboom.jobs.deps import needs
from kaboom.pipelines.request import NAME, StepSpec
from kaboom.pipelines.views import PipelineList, PipelineRunView, PipelineView, RunList, StartedRuns, StepView
from kaboom.web.auth.scopes import Scope

router = APIRouter()
API, RUNS = "/api/v1/pipelines", "/api/v1/pipeline-runs"
#: The mark of each state of a run or a step: its kind, which selects the colour, and its shape.
MARKS: Mapping[str, tuple[str, str]] = {**JOB_MARKS, "waiting": ("idle", "wait"), "skipped": ("idle", "stop")}
#: The sizes of the graph, in pixels.
_WIDE, _HIGH, _GAP, _BETWEEN = 148, 46, 44, 14
Done = Annotated[str, Query(max_length=20)]
Name = Annotated[str, Path(pattern=NAME)]


@dataclass(frozen=True, slots=True)
class Node:
    """A step in the graph; `x` and `y` are its upper left corner."""

    step: StepSpec | StepView
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Graph:
    """The steps from left to right, each after its needs, and the lines between them."""

    nodes: Sequence[Node]
    edges: Sequence[str]
    width: int
    height: int


def draw_graph(steps: Sequence[StepSpec] | Sequence[StepView]) -> Graph:
    """Return the graph of steps that are sorted after their needs."""
    columns: dict[str, int] = {}
    rows: dict[int, int] = {}
    nodes: dict[str, Node] = {}
    for step in steps:
        column = columns[step.name] = max((columns[need] + 1 for need in step.needs), default=0)
        row = rows.get(column, 0)
        rows[column] = row + 1
        nodes[step.name] = Node(step, 1 + column * (_WIDE + _GAP), 1 + row * (_HIGH + _BETWEEN))
    edges = [_edge(nodes[need], nodes[step.name]) for step in steps for need in step.needs]
    width = max(columns.values(), default=0) * (_WIDE + _GAP) + _WIDE + 2
    height = max(rows.values(), default=1) * (_HIGH + _BETWEEN) - _BETWEEN + 2
    return Graph(list(nodes.values()), edges, width, height)


def _edge(begin: Node, end: Node) -> str:
    """Return the path of a curve from the right side of a step to the left side of another."""
    x1, y1, x2, y2 = begin.x + _WIDE, begin.y + _HIGH // 2, end.x, end.y + _HIGH // 2
    bend = _GAP // 2
    return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"


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
