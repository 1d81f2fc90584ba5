"""`/api/v1/pipelines` and `/api/v1/pipeline-runs`: what belongs together after a session, and its runs."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Path, Query, Response, status
from fastapi.exceptions import RequestValidationError

from kaboom.drivers.clock import utc_now
from kaboom.errors import Conflict, InvalidRequest, NotFound
from kaboom.jobs.deps import Caller, Jobs, needs, opened
from kaboom.jobs.engine.lifecycle import Jobs as JobsOfProcess
from kaboom.jobs.model import JobStatus
from kaboom.market.calendar import latest_closed_session, resolve_last_session, sessions_between
from kaboom.pipelines.checks import find_faults, sort_steps, to_steps
from kaboom.pipelines.model import (
    MAX_SESSIONS,
    Pipeline,
    PipelineRun,
    PipelineStore,
    StartedBy,
    StepStatus,
    renew,
)
from kaboom.pipelines.request import PipelineSpec
from kaboom.pipelines.runner import PipelineRunner
from kaboom.pipelines.store import open_pipelines
from kaboom.pipelines.views import (
    NewRuns,
    PipelineList,
    PipelineRunView,
    PipelineView,
    RunList,
    StartedRuns,
    spec_of,
    view_listed,
    view_pipeline,
    view_run,
    view_started,
)
from kaboom.web.auth.changes import Action, logged_as
from kaboom.web.auth.guard import require_scopes
from kaboom.web.auth.principals import Principal
from kaboom.web.auth.scopes import Scope
from kaboom.web.errors import CONFLICT, INVALID, NOT_FOUND, OF_BODY, describe_problems
from kaboom.web.routers import HEX_ID, FeatureRouter, hex_id

_PREFIX, _RUNS = "/api/v1/pipelines", "/api/v1/pipeline-runs"
_READS, _WRITES = [needs(Scope.JOBS_READ)], [needs(Scope.SCHEDULES_WRITE)]
_BODY = describe_problems(*OF_BODY, CONFLICT)

PipelineName = Annotated[str, Path(alias="pipeline", max_length=40, description="the name of a pipeline")]
RunId = Annotated[str, hex_id("run_id", "pipeline run")]
Pipelines = Annotated[PipelineStore, opened(open_pipelines)]
_Limit = Annotated[int, Query(ge=1, le=200)]
_JobId = Annotated[str, Query(pattern=f"^{HEX_ID.pattern}$", description="the id of a job")]

router = FeatureRouter(prefix=_PREFIX, tags=["pipelines"])
one = APIRouter(prefix="/{pipeline}", responses=describe_problems(NOT_FOUND, INVALID))
runs_router = FeatureRouter(prefix=_RUNS, tags=["pipelines"])
one_run = APIRouter(prefix="/{run_id}", responses=describe_problems(NOT_FOUND, INVALID))


@router.get("", dependencies=_READS)
async def list_pipelines(pipelines: Pipelines, caller: Caller) -> PipelineList:
    """List all pipelines, by name, each with its newest run."""
    found = await pipelines.list_pipelines(caller.owner)
    runs = await asyncio.gather(*(pipelines.list_runs(caller.owner, pipeline=p.name, limit=1) for p in found))
    newest = (each[0] if each else None for each in runs)
    return PipelineList(items=[view_listed(pipeline, run) for pipeline, run in zip(found, newest, strict=True)])


@router.post("", responses=_BODY | {201: {"model": PipelineView}}, dependencies=_WRITES)
@logged_as(Action.APPLY_PIPELINE)
async def apply_pipeline(
    jobs: Jobs, pipelines: Pipelines, caller: Caller, body: PipelineSpec, response: Response
) -> PipelineView:
    """Save a pipeline, in place of the one with its name; runs that go on keep the steps that they began with."""
    _check(jobs, body, caller)
    start = body.start
    pipeline = Pipeline(
        uuid4().hex,
        caller.owner,
        body.name,
        sort_steps(to_steps(body))[0],
        on_task=start.on_job if start else None,
        on_statuses=tuple(start.on) if start else (),
        on_where=start.where if start else {},
        at_once=body.at_once,
    )
    kept, is_new = await pipelines.apply(pipeline)
    response.status_code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
    response.headers["Location"] = f"{_PREFIX}/{kept.name}"
    return view_pipeline(kept)


@one.get("", dependencies=_READS)
async def get_pipeline(pipelines: Pipelines, caller: Caller, name: PipelineName) -> PipelineView:
    """Show one pipeline."""
    return view_pipeline(await pipelines.load(caller.owner, name))


@one.delete("", status_code=status.HTTP_204_NO_CONTENT, responses=describe_problems(CONFLICT), dependencies=_WRITES)
@logged_as(Action.DELETE_PIPELINE)
async def delete_pipeline(pipelines: Pipelines, caller: Caller, name: PipelineName) -> None:
    """Delete a pipeline and the record of its runs, which must have ended; their jobs stay."""
    await pipelines.delete(caller.owner, name)


@one.get("/runs", dependencies=_READS)
async def list_pipeline_runs(pipelines: Pipelines, caller: Caller, name: PipelineName, limit: _Limit = 50) -> RunList:
    """List the runs of a pipeline by session, newest first."""
    await pipelines.load(caller.owner, name)
    found = await pipelines.list_runs(caller.owner, pipeline=name, limit=limit)
    return RunList(items=[view_run(run) for run in found])


@one.post("/runs", status_code=status.HTTP_202_ACCEPTED, responses=_BODY, dependencies=_WRITES)
@logged_as(Action.RUN_PIPELINE)
async def run_pipeline(
    jobs: Jobs, pipelines: Pipelines, caller: Caller, name: PipelineName, body: NewRuns
) -> StartedRuns:
    """Run a pipeline for a session, or for each session of a span, oldest first.

    A session that has a run keeps it, unless `again` is true.
    """
    pipeline = await pipelines.load(caller.owner, name)
    _check(jobs, spec_of(pipeline), caller)
    started = await pipelines.start(pipeline, _sessions_of(body), by=StartedBy.HAND, again=body.again)
    return StartedRuns(items=[view_started(each) for each in started])


@runs_router.get("", responses=describe_problems(INVALID), dependencies=_READS)
async def list_runs_of_job(pipelines: Pipelines, caller: Caller, job_id: _JobId, limit: _Limit = 50) -> RunList:
    """List the runs of which a job is a step, or was one before a retry, by session, newest first."""
    found = await pipelines.list_runs(caller.owner, job_id=job_id, limit=limit)
    return RunList(items=[view_run(run) for run in found])


@one_run.get("", dependencies=_READS)
async def get_pipeline_run(pipelines: Pipelines, caller: Caller, run_id: RunId) -> PipelineRunView:
    """Show a run and the state of each step."""
    return view_run(await pipelines.load_run(caller.owner, run_id))


@one_run.post("/cancel", responses=describe_problems(CONFLICT), dependencies=_WRITES)
@logged_as(Action.CANCEL_PIPELINE_RUN)
async def cancel_pipeline_run(jobs: Jobs, pipelines: Pipelines, caller: Caller, run_id: RunId) -> PipelineRunView:
    """Cancel a run: its jobs are cancelled, and the steps that wait do not run."""
    run = await pipelines.change_run(caller.owner, run_id, _stop)
    # If this process ends here, the loop that moves runs on cancels the jobs.
    await PipelineRunner(jobs, pipelines).stop_jobs(run)
    return view_run(run)


@one_run.post("/retry", responses=describe_problems(CONFLICT), dependencies=_WRITES)
@logged_as(Action.RETRY_PIPELINE_RUN)
async def retry_pipeline_run(jobs: Jobs, pipelines: Pipelines, caller: Caller, run_id: RunId) -> PipelineRunView:
    """Run the steps of an ended run that did not complete again; a partial one does only what is left."""
    found = await pipelines.load_run(caller.owner, run_id)
    pipeline = await pipelines.load(caller.owner, found.pipeline)
    _check(jobs, spec_of(replace(pipeline, steps=found.steps)), caller)

    async def again(run: PipelineRun) -> PipelineRun:
        if not run.status.is_final:
            raise Conflict(f"run {run.run_id} was {run.status}: wait for its end, or cancel it first")
        if run.status is JobStatus.COMPLETED:
            raise Conflict(f"run {run.run_id} was completed with nothing left to retry")
        return renew(run, await _requests_left(jobs, run))

    return view_run(await pipelines.change_run(caller.owner, run_id, again))


router.include_router(one)
runs_router.include_router(one_run)


def _check(jobs: JobsOfProcess, spec: PipelineSpec, caller: Principal) -> None:
    """Check that a pipeline can run, and that the caller may submit each of its jobs."""
    session = latest_closed_session(utc_now())
    faults, scopes = find_faults(spec, jobs.parts.catalog, jobs.parts.settings, session=session)
    if faults:
        raise RequestValidationError([_error(pointer, why) for pointer, why in faults])
    require_scopes(caller, sorted(scopes))


def _error(pointer: str, why: str) -> dict[str, Any]:
    return {"type": "value_error", "loc": ("body", *pointer.split("/")[1:]), "msg": why, "input": None}


def _sessions_of(body: NewRuns) -> Sequence[date]:
    """Return the sessions to run, oldest first."""
    now = utc_now()
    if body.first is None and body.last is None:
        session = body.session or latest_closed_session(now)
        resolve_last_session(session, now, is_tse=True, delay_s=0)
        return [session]
    if body.session or body.first is None:
        raise InvalidRequest("expected session, or first and last", pointer="/session" if body.session else "/first")
    last = body.last or latest_closed_session(now)
    if last > now.date() or (last - body.first).days > MAX_SESSIONS * 2:
        raise InvalidRequest(f"last was {last}, expected no future day and at most {MAX_SESSIONS} sessions after first",
                             pointer="/last")  # fmt: skip
    sessions = [day for day in sessions_between(body.first, last) if day <= latest_closed_session(now)]
    if not 0 < len(sessions) <= MAX_SESSIONS:
        raise InvalidRequest(
            f"first to last had {len(sessions)} sessions, expected 1 to {MAX_SESSIONS}", pointer="/first"
        )
    return sessions


async def _stop(run: PipelineRun) -> PipelineRun:
    if run.status.is_final:
        raise Conflict(f"run {run.run_id} was {run.status}, expected one that is not final")
    return run.stopped()


async def _requests_left(jobs: JobsOfProcess, run: PipelineRun) -> dict[str, Any]:
    """Return the request of the work that is left, for each step whose job ended without completing."""
    left: dict[str, Any] = {}
    for step in run.steps:
        state = run.states[step.name]
        if state.job_id is None or state.status is StepStatus.COMPLETED:
            continue
        job_type = jobs.parts.catalog.require(step.task)
        try:
            job = await jobs.find(job_type.queue.value, state.job_id, owner=run.owner)
            left[step.name] = dict(job_type.build_retry(job, await jobs.load_chunks(job)))
        except (Conflict, NotFound):
            # Nothing is left, or the job was deleted: the step runs as a whole.
            continue
    return left
