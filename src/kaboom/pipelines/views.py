"""The bodies and answers of the pipelines' routes."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from kaboom.jobs.model import JobStatus
from kaboom.market.fields import Day
from kaboom.pipelines.model import On, Pipeline, PipelineRun, Started, StartedBy, StepStatus
from kaboom.pipelines.request import PipelineSpec, StartSpec, StepSpec
from kaboom.web.routers import view_of

_RUN = "5b0f7f0f9c1d4c0bb4a3c0a7e2f6d1aa"
_JOB = "dc84d88371794773b929d2957f6a663b"


class NewRuns(BaseModel):
    """Which sessions to run: one, or a span; by default the newest closed one."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"session": "2025-11-04"}})

    session: Day | None = Field(default=None, description="one session; default: newest closed")
    first: Day | None = Field(default=None, description="instead of `session`: the first day of a span")
    last: Day | None = Field(default=None, description="the last day of the span")
    again: StrictBool = Field(default=False, description="a new run also of a session that has one")


class StepView(BaseModel):
    """A step of a run, and the state of its job."""

    name: str = Field(examples=["roll_up"])
    task: str = Field(examples=["market_data.roll_up"])
    needs: list[str] = Field(examples=[["ingest"]])
    on: On = Field(examples=["partial"])
    status: StepStatus = Field(examples=["completed"])
    job_id: str | None = Field(description="its newest job", examples=[_JOB])
    earlier: list[str] = Field(description="the jobs that retries replaced, oldest first", examples=[[]])
    reason: str = Field(description="why it was skipped, or what is wrong with its job", examples=[""])


class PipelineRunSummary(BaseModel):
    """A run of a pipeline for a session."""

    run_id: str = Field(examples=[_RUN])
    pipeline: str = Field(examples=["morning"])
    session: date = Field(examples=["2025-11-04"])
    n: int = Field(description="1, or more if the session was run again", examples=[1])
    status: JobStatus = Field(description="`queued` while other runs of the pipeline go on", examples=["completed"])
    started_by: StartedBy = Field(examples=["hand"])
    trigger_job_id: str | None = Field(description="the job whose end started it", examples=[None])
    created_at: datetime = Field(examples=["2025-11-04T07:35:00Z"])
    started_at: datetime | None = Field(examples=["2025-11-04T07:35:01Z"])
    ended_at: datetime | None = Field(examples=["2025-11-04T07:39:12Z"])


class PipelineRunView(PipelineRunSummary):
    """A run with its steps, each after its needs."""

    steps: list[StepView]


class RunList(BaseModel):
    """Runs by session, newest first."""

    items: list[PipelineRunView]


class StartedRun(BaseModel):
    """The run of a session; `is_new` is false if the session had it already."""

    run_id: str = Field(examples=[_RUN])
    session: date = Field(examples=["2025-11-04"])
    status: JobStatus = Field(examples=["queued"])
    is_new: bool = Field(examples=[True])


class StartedRuns(BaseModel):
    """The runs of the sessions, oldest first."""

    items: list[StartedRun]


class PipelineView(BaseModel):
    """A pipeline, as it was declared."""

    name: str = Field(examples=["morning"])
    start: StartSpec | None
    at_once: int = Field(examples=[1])
    steps: Annotated[list[StepSpec], Field(description="each after its needs")]
    created_at: datetime = Field(examples=["2025-10-31T02:11:09Z"])
    updated_at: datetime = Field(examples=["2025-10-31T02:14:40Z"])


class ListedPipeline(PipelineView):
    """A pipeline with its newest run."""

    last_run: PipelineRunView | None


class PipelineList(BaseModel):
    """All pipelines, by name."""

    items: list[ListedPipeline]


def spec_of(pipeline: Pipeline) -> PipelineSpec:
    """Return the declaration of a pipeline."""
    start = None
    if pipeline.on_task:
        start = StartSpec(on_job=pipeline.on_task, on=list(pipeline.on_statuses), where=dict(pipeline.on_where))
    steps = [StepSpec.model_validate(step.to_json()) for step in pipeline.steps]
    return PipelineSpec(name=pipeline.name, start=start, at_once=pipeline.at_once, steps=steps)


def view_pipeline(pipeline: Pipeline) -> PipelineView:
    """Return a pipeline as the API shows it."""
    spec = spec_of(pipeline)
    return view_of(PipelineView, pipeline, start=spec.start, steps=spec.steps)


def view_listed(pipeline: Pipeline, last: PipelineRun | None) -> ListedPipeline:
    """Return a pipeline as the list shows it."""
    spec = spec_of(pipeline)
    last_run = view_run(last) if last else None
    return view_of(ListedPipeline, pipeline, start=spec.start, steps=spec.steps, last_run=last_run)


def view_run(run: PipelineRun) -> PipelineRunView:
    """Return a run as the API shows it."""
    return view_of(PipelineRunView, run, steps=[_view_step(step.to_json(), run) for step in run.steps])


def view_started(started: Started) -> StartedRun:
    """Return what a request to run a session gets."""
    return view_of(StartedRun, started.run, is_new=started.is_new)


def _view_step(step: Mapping[str, object], run: PipelineRun) -> StepView:
    state = run.states[str(step["name"])]
    values = {name: step[name] for name in ("name", "task", "needs", "on")}
    found = {"status": state.status, "job_id": state.job_id, "earlier": list(state.earlier), "reason": state.reason}
    return StepView.model_validate(values | found)
