"""Pipelines, their runs, and the decision what a run does next; does no I/O."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple, Never, Protocol

from kaboom.errors import NotFound
from kaboom.jobs.model import Job, JobStatus
from kaboom.jobs.postgres.port import Terms

#: Per owner; one page shows all of them.
MAX_PIPELINES = 50
#: The most sessions of one request to run a span: four years.
MAX_SESSIONS = 1000
#: How old the end of a job may be to start a run.
TRIGGER_DAYS = 3
#: How many old runs are deleted at once.
PRUNE_STEP = 100


class On(StrEnum):
    """The end of its needs that a step accepts."""

    COMPLETED = "completed"
    PARTIAL = "partial"  # completed or partial
    ANY = "any"  # any end, also failed, cancelled and skipped

    def accepts(self, status: "StepStatus") -> bool:
        """Return whether a need with this end lets the step run."""
        if self is On.ANY:
            return True
        return status is StepStatus.COMPLETED or (self is On.PARTIAL and status is StepStatus.PARTIAL)


class StepStatus(StrEnum):
    """The state of a step: that of its job, or one of the states without a job."""

    WAITING = "waiting"  # for its needs
    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"  # a need ended otherwise than the step accepts

    @property
    def is_final(self) -> bool:
        """Whether only a retry changes it."""
        return self in _ENDED


_ENDED = frozenset(
    {StepStatus.COMPLETED, StepStatus.PARTIAL, StepStatus.FAILED, StepStatus.CANCELLED, StepStatus.SKIPPED}
)


class StartedBy(StrEnum):
    """What started a run."""

    HAND = "hand"
    JOB = "job"  # the end of a job
    SCHEDULE = "schedule"  # a job of `market_data.start_pipeline`


@dataclass(frozen=True, slots=True)
class Step:
    """A step: the request of a job, the steps that it needs, and which of their ends it accepts."""

    name: str
    task: str
    params: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    on: On = On.COMPLETED

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Step":
        """Return the step that `to_json` wrote."""
        needs, on = tuple(values.get("needs") or ()), On(values.get("on", On.COMPLETED))
        return cls(values["name"], values["task"], values.get("params") or {}, needs, on)

    def to_json(self) -> dict[str, Any]:
        """Return the step as JSON types."""
        return {
            "name": self.name,
            "task": self.task,
            "params": dict(self.params),
            "needs": list(self.needs),
            "on": self.on.value,
        }


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A named list of steps.

    Attributes:
        steps: in an order in which each step comes after its needs.
        on_task: a run starts when a job of this task ends in one of `on_statuses`; None: not by a job.
        on_where: what the request of this job contains.
        at_once: how many runs go on at the same time; the others wait, oldest session first.

    """

    pipeline_id: str
    owner: str
    name: str
    steps: tuple[Step, ...]
    on_task: str | None = None
    on_statuses: tuple[str, ...] = ()
    on_where: Mapping[str, Any] = field(default_factory=dict)
    at_once: int = 1
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StepState:
    """The state of a step in a run.

    Attributes:
        job_id: its newest job. earlier: the jobs before it, oldest first, that a retry replaced.
        reason: why it was skipped, or what its job says of its failure.
        request: the request of the next job, if a retry has less to do than the step.
        symbols: those that the result of its job names.

    """

    status: StepStatus = StepStatus.WAITING
    job_id: str | None = None
    reason: str = ""
    earlier: tuple[str, ...] = ()
    request: Mapping[str, Any] | None = None
    symbols: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "StepState":
        """Return the state that `to_json` wrote."""
        return cls(
            StepStatus(values["status"]),
            values.get("job_id"),
            values.get("reason", ""),
            tuple(values.get("earlier", ())),
            values.get("request"),
            tuple(values.get("symbols", ())),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON types."""
        values: dict[str, Any] = {"job_id": self.job_id, "reason": self.reason, "request": self.request}
        values |= {"earlier": list(self.earlier), "symbols": list(self.symbols)}
        return {"status": self.status.value} | {name: value for name, value in values.items() if value}


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """One run of a pipeline for a session, with the steps that the pipeline had when it started.

    Attributes:
        n: 1, or more after the same session was run again.
        status: `queued` while other runs of the pipeline go on.
        trigger_job_id: the job whose end started it.

    """

    run_id: str
    pipeline_id: str
    pipeline: str
    owner: str
    session: date
    steps: tuple[Step, ...]
    states: Mapping[str, StepState]
    n: int = 1
    status: JobStatus = JobStatus.QUEUED
    started_by: StartedBy = StartedBy.HAND
    trigger_job_id: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def open_jobs(self) -> tuple[str, ...]:
        """The jobs whose end the run waits for."""
        found = (state.job_id for state in self.states.values() if not state.status.is_final)
        return tuple(job_id for job_id in found if job_id)

    def stopped(self) -> "PipelineRun":
        """Return the run as one that ends as soon as its jobs have."""
        return replace(self, status=JobStatus.CANCELLING)


class JobEnd(NamedTuple):
    """The state of a job, the symbols that its result names, if it names any, and the message of its error."""

    status: JobStatus
    symbols: tuple[str, ...] = ()
    error: str = ""

    @classmethod
    def of(cls, status: JobStatus, symbols: Any, error: Mapping[str, Any] | None) -> "JobEnd":
        """Return the state of a job; `symbols` of a result may also be a count."""
        named = tuple(map(str, symbols)) if isinstance(symbols, list) else ()
        return cls(status, named, str((error or {}).get("message", "")))


#: Decides on a locked run, given the jobs that it waits for; returns it and the jobs to admit.
type Decide = Callable[[PipelineRun, Mapping[str, JobEnd]], tuple[PipelineRun, list[tuple[Job, Terms]]]]


def note_ends(run: PipelineRun, jobs: Mapping[str, JobEnd]) -> PipelineRun:
    """Return the run with the states of its jobs; an unfinished job that is not there was deleted."""
    states = dict(run.states)
    for name, state in states.items():
        if state.job_id is None or state.status.is_final:
            continue
        job = jobs.get(state.job_id)
        if job is None:
            states[name] = replace(state, status=StepStatus.FAILED, reason=f"job {state.job_id} was deleted")
        else:
            status = StepStatus(job.status.value)
            states[name] = replace(state, status=status, symbols=job.symbols, reason=job.error)
    return replace(run, states=states)


def judge_step(step: Step, run: PipelineRun) -> StepState | None:
    """Return the state of a waiting step that must not run; None if it waits on, or may run (`is_ready`)."""
    ends = {name: run.states[name].status for name in step.needs}
    refused = [name for name, end in ends.items() if end.is_final and not step.on.accepts(end)]
    if run.status is JobStatus.CANCELLING:
        return StepState(StepStatus.CANCELLED, earlier=run.states[step.name].earlier)
    if not refused:
        return None
    why = "; ".join(f"{name} was {ends[name]}" for name in refused)
    reason = f"{why}, and the step runs on {step.on}"
    return StepState(StepStatus.SKIPPED, reason=reason, earlier=run.states[step.name].earlier)


def is_ready(step: Step, run: PipelineRun) -> bool:
    """Return whether all needs of a step have ended as it accepts."""
    ends = [run.states[name].status for name in step.needs]
    return all(end.is_final and step.on.accepts(end) for end in ends)


#: A job with one of these in its request did a part of the work only, and starts no run, unless `where` names it.
PARTS_ONLY = ("symbols", "only", "dry_run")


def does_start(pipeline: Pipeline, job: Job) -> bool:
    """Return whether the end of a job starts a run of a pipeline; `find_triggers` of PostgreSQL does the same."""
    if (job.task, job.owner) != (pipeline.on_task, pipeline.owner) or job.status.value not in pipeline.on_statuses:
        return False
    if (job.plan or {}).get("is_final") is False:
        return False  # planned before the close of its session
    where = pipeline.on_where
    if any(name in job.request and name not in where for name in PARTS_ONLY):
        return False
    return all(job.request.get(name) == value for name, value in where.items())


def session_of(job: Job) -> str | None:
    """Return the session of a job: that of its plan, else that of its request."""
    found = (job.plan or {}).get("session") or job.request.get("session")
    return str(found) if found else None


def sum_up(run: PipelineRun) -> JobStatus:
    """Return the state of a run by those of its steps: as of a job by its items."""
    ends = {state.status for state in run.states.values()}
    if not all(end.is_final for end in ends):
        return run.status
    if run.status is JobStatus.CANCELLING:
        return JobStatus.CANCELLED
    if ends == {StepStatus.COMPLETED}:
        return JobStatus.COMPLETED
    return JobStatus.PARTIAL if ends & {StepStatus.COMPLETED, StepStatus.PARTIAL} else JobStatus.FAILED


def renew(run: PipelineRun, requests: Mapping[str, Mapping[str, Any]]) -> PipelineRun:
    """Return a final run in which each step that did not complete waits again; `requests`: what is left, by step."""
    states = dict(run.states)
    for name, state in states.items():
        if state.status is not StepStatus.COMPLETED:
            earlier = (*state.earlier, state.job_id) if state.job_id else state.earlier
            states[name] = StepState(earlier=earlier, request=requests.get(name))
    return replace(run, states=states, status=JobStatus.QUEUED, ended_at=None)


def miss_pipeline(name: str) -> Never:
    """Raise NotFound for a pipeline."""
    raise NotFound(f"pipeline {name!r:.60} does not exist")


def miss_run(run_id: str) -> Never:
    """Raise NotFound for a run."""
    raise NotFound.of_id("pipeline run", run_id)


@dataclass(frozen=True, slots=True)
class Started:
    """A run, and whether the request made it."""

    run: PipelineRun
    is_new: bool


class PipelineStore(Protocol):
    """The pipelines and their runs. Each method is one transaction; all raise StoreError if the ledger is unavailable.

    With an owner they raise NotFound if the owner has no such pipeline or run.
    """

    async def apply(self, pipeline: Pipeline) -> tuple[Pipeline, bool]:
        """Save a pipeline, in place of the one with its name if there is one; return it, and whether it is new.

        Raises:
            Conflict: the owner has MAX_PIPELINES pipelines.

        """
        ...

    async def list_pipelines(self, owner: str) -> list[Pipeline]:
        """Return an owner's pipelines by name."""
        ...

    async def load(self, owner: str, name: str) -> Pipeline:
        """Return a pipeline."""
        ...

    async def delete(self, owner: str, name: str) -> None:
        """Delete a pipeline and its runs; their jobs stay.

        Raises:
            Conflict: a run has not ended.

        """
        ...

    async def start(
        self,
        pipeline: Pipeline,
        sessions: Sequence[date],
        *,
        by: StartedBy,
        again: bool = False,
        trigger_job_id: str | None = None,
    ) -> list[Started]:
        """Return a run for each session: the newest if there is one, else a new one; with `again` always a new one.

        Raises:
            Conflict: with `again`, the newest run of a session has not ended.

        """
        ...

    async def list_runs(
        self, owner: str, *, pipeline: str | None = None, job_id: str | None = None, limit: int = 50
    ) -> list[PipelineRun]:
        """Return runs by session, newest first; with a job, those of which it is or was the job of a step."""
        ...

    async def load_run(self, owner: str, run_id: str) -> PipelineRun:
        """Return a run."""
        ...

    async def change_run(
        self, owner: str, run_id: str, edit: Callable[[PipelineRun], Awaitable[PipelineRun]]
    ) -> PipelineRun:
        """Change a run; it does not advance at the same time."""
        ...

    async def find_triggers(self) -> list[tuple[Pipeline, Job]]:
        """Return the jobs that ended and start a run, each with its pipeline, oldest end first."""
        ...

    async def activate(self) -> int:
        """Let queued runs go on, oldest session first, at most `at_once` of each pipeline; return how many."""
        ...

    async def find_due(self) -> list[str]:
        """Return the runs that have something to do: a job has ended, a run has just begun, or is to stop."""
        ...

    async def advance(self, run_id: str, decide: Decide) -> tuple[PipelineRun, list[Job]] | None:
        """Decide on a run, and admit the jobs in the same transaction; None if another process has it, or it ended."""
        ...

    async def prune(self, *, days: int) -> int:
        """Drop the oldest runs that ended more than `days` days ago, at most PRUNE_STEP; return how many."""
        ...
