"""The declaration of a pipeline, as YAML and as the body of the API, and the request of the job that starts a run."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from kaboom.drivers.request import Request
from kaboom.market.fields import WHOLE, Day, one_of
from kaboom.pipelines.model import On

MAX_STEPS = 50
NAME = r"^[a-z0-9][a-z0-9_-]{0,39}$"
_ON = tuple(on.value for on in On)
_ENDS = ("completed", "partial", "failed", "cancelled")

#: The name of a pipeline or of a step: it is a part of paths.
Name = Annotated[str, Field(pattern=NAME, max_length=40)]
_Task = Annotated[str, Field(max_length=80, pattern=r"^[a-z_]+\.[a-z_]+$")]


class StepSpec(BaseModel):
    """A step: the request of a kind of job, and what must have ended before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = Field(description="unique in the pipeline", examples=["roll_up"])
    task: _Task = Field(description="the kind of job", examples=["market_data.roll_up"])
    params: dict[str, Any] = Field(
        default={},
        max_length=30,
        description="as the body of the task's own route; `{session}` in a text becomes the session of the run",
        examples=[{"intervals": {"1d": 1}}],
    )
    needs: Annotated[list[Name], Field(max_length=MAX_STEPS)] = Field(
        default=[], description="the steps that must have ended", examples=[["ingest"]]
    )
    on: Annotated[On, one_of(_ON)] = Field(
        default=On.COMPLETED,
        description="which end of its needs lets it run: `completed`, `partial` (completed or partial) or `any`",
        examples=["partial"],
    )


class StartSpec(BaseModel):
    """The end of a job that starts a run for the session of this job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    on_job: _Task = Field(description="the task whose jobs start a run", examples=["ingest.run_daily"])
    on: Annotated[list[Annotated[str, one_of(_ENDS), Field(pattern="^(completed|partial|failed|cancelled)$")]],
                  Field(min_length=1, max_length=4)] = Field(
        default=["completed", "partial"], description="the ends that start it", examples=[["completed", "partial"]]
    )  # fmt: skip
    where: dict[str, Any] = Field(
        default={},
        max_length=10,
        description="what the request of the job contains; a job of some `symbols` only must be named here",
        examples=[{"market": "TSE_PRIME"}],
    )


class PipelineSpec(BaseModel):
    """A pipeline: a name and its steps. Runs start by hand, by a schedule, or by the end of a job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = Field(description="unique for its owner", examples=["morning"])
    start: StartSpec | None = Field(default=None, description="the job whose end starts a run; default: none")
    at_once: Annotated[int, Field(ge=1, le=10), WHOLE] = Field(
        default=1, description="how many runs go on at the same time", examples=[1]
    )
    steps: Annotated[list[StepSpec], Field(min_length=1, max_length=MAX_STEPS)] = Field(
        description="the steps",
        examples=[
            [
                {"name": "ingest", "task": "ingest.run_daily", "params": {"market": "TSE_PRIME"}},
                {"name": "roll_up", "task": "market_data.roll_up", "needs": ["ingest"], "on": "partial"},
            ]
        ],
    )


class StartRequest(Request):
    """Which pipeline to run, and for which session."""

    pipeline: Name = Field(description="the name of the pipeline")
    session: Day | None = Field(default=None, description="the session; default: newest closed")
