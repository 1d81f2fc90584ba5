"""Open the pipelines of a database; in memory they behave like those in PostgreSQL, and end with the process."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from uuid import uuid4

from kaboom.drivers.clock import utc_now
from kaboom.drivers.postgres.database import Database, too_many
from kaboom.errors import Conflict
from kaboom.jobs.model import Job, JobStatus
from kaboom.jobs.postgres.events import MemoryEventOutbox, open_memory_events
from kaboom.jobs.postgres.opening import open_history
from kaboom.jobs.postgres.port import JobHistory
from kaboom.pipelines.events import events_of_end
from kaboom.pipelines.model import (
    MAX_PIPELINES,
    PRUNE_STEP,
    TRIGGER_DAYS,
    Decide,
    JobEnd,
    Pipeline,
    PipelineRun,
    PipelineStore,
    Started,
    StartedBy,
    StepState,
    does_start,
    miss_pipeline,
    miss_run,
    session_of,
)


def open_pipelines(database: Database) -> PipelineStore:
    """Return the pipelines of a database."""
    if database.engine is None:
        return MemoryPipelineStore(database.open(open_history), database.open(open_memory_events))
    # SQLAlchemy is loaded with the first database in PostgreSQL.
    from kaboom.pipelines.postgres import PostgresPipelineStore  # noqa: PLC0415

    return PostgresPipelineStore(database.engine)


class MemoryPipelineStore:
    """`PipelineStore` in memory, beside the ledger that admits its jobs."""

    def __init__(self, history: JobHistory, events: MemoryEventOutbox | None = None) -> None:
        self._history = history
        self._events = events or MemoryEventOutbox()
        self._pipelines: dict[tuple[str, str], Pipeline] = {}
        self._runs: dict[str, PipelineRun] = {}

    async def apply(self, pipeline: Pipeline) -> tuple[Pipeline, bool]:
        key, now = (pipeline.owner, pipeline.name), utc_now()
        old = self._pipelines.get(key)
        if old is None and sum(p.owner == pipeline.owner for p in self._pipelines.values()) >= MAX_PIPELINES:
            raise Conflict(too_many("pipelines", MAX_PIPELINES))
        base = old or replace(pipeline, created_at=now)
        kept = replace(pipeline, pipeline_id=base.pipeline_id, created_at=base.created_at, updated_at=now)
        self._pipelines[key] = kept
        return kept, old is None

    async def list_pipelines(self, owner: str) -> list[Pipeline]:
        return sorted((p for p in self._pipelines.values() if p.owner == owner), key=lambda p: p.name)

    async def load(self, owner: str, name: str) -> Pipeline:
        return self._pipelines.get((owner, name)) or miss_pipeline(name)

    async def delete(self, owner: str, name: str) -> None:
        pipeline = await self.load(owner, name)
        runs = [run for run in self._runs.values() if run.pipeline_id == pipeline.pipeline_id]
        if not all(run.status.is_final for run in runs):
            raise Conflict(f"a run of pipeline {name} has not ended: cancel it first")
        for run in runs:
            del self._runs[run.run_id]
        del self._pipelines[owner, name]

    async def start(
        self,
        pipeline: Pipeline,
        sessions: Sequence[date],
        *,
        by: StartedBy,
        again: bool = False,
        trigger_job_id: str | None = None,
    ) -> list[Started]:
        await self.load(pipeline.owner, pipeline.name)
        of_all = [run for run in self._runs.values() if run.pipeline_id == pipeline.pipeline_id]
        newest = {run.session: run for run in sorted(of_all, key=lambda run: run.n)}
        if again and (busy := [s for s in sessions if s in newest and not newest[s].status.is_final]):
            raise Conflict(f"the run of session {busy[0]} has not ended: wait for it, or cancel it first")
        started = []
        for session in sessions:
            old = newest.get(session)
            if old is not None and not again:
                started.append(Started(old, is_new=False))
                continue
            run = PipelineRun(
                uuid4().hex, pipeline.pipeline_id, pipeline.name, pipeline.owner, session, pipeline.steps,
                {step.name: StepState() for step in pipeline.steps}, n=old.n + 1 if old else 1, started_by=by,
                trigger_job_id=trigger_job_id, created_at=utc_now(),
            )  # fmt: skip
            self._runs[run.run_id] = run
            started.append(Started(run, is_new=True))
        return started

    async def list_runs(
        self, owner: str, *, pipeline: str | None = None, job_id: str | None = None, limit: int = 50
    ) -> list[PipelineRun]:
        found = [r for r in self._runs.values() if r.owner == owner and pipeline in {None, r.pipeline}]
        if job_id is not None:
            found = [r for r in found if any(job_id in {s.job_id, *s.earlier} for s in r.states.values())]
        return sorted(found, key=lambda r: (r.session, r.created_at), reverse=True)[:limit]

    async def load_run(self, owner: str, run_id: str) -> PipelineRun:
        run = self._runs.get(run_id)
        return run if run and run.owner == owner else miss_run(run_id)

    async def change_run(
        self, owner: str, run_id: str, edit: Callable[[PipelineRun], Awaitable[PipelineRun]]
    ) -> PipelineRun:
        return self._save(await edit(await self.load_run(owner, run_id)))

    async def find_triggers(self) -> list[tuple[Pipeline, Job]]:
        found: list[tuple[Pipeline, Job]] = []
        for pipeline in [p for p in self._pipelines.values() if p.on_task]:
            since = max(pipeline.created_at or utc_now(), utc_now() - timedelta(days=TRIGGER_DAYS))
            queue = (pipeline.on_task or "").partition(".")[0]
            runs = [run for run in self._runs.values() if run.pipeline_id == pipeline.pipeline_id]
            seen = {run.trigger_job_id for run in runs} | {run.session.isoformat() for run in runs}
            ended = await self._history.recent_ends(queue, since=since)
            new = [job for job in ended if seen.isdisjoint({job.job_id, session_of(job)})]
            found += [(pipeline, job) for job in new if does_start(pipeline, job)]
        return found

    async def activate(self) -> int:
        moved = 0
        for pipeline in self._pipelines.values():
            runs = [run for run in self._runs.values() if run.pipeline_id == pipeline.pipeline_id]
            busy = sum(run.status in {JobStatus.RUNNING, JobStatus.CANCELLING} for run in runs)
            queued = sorted((r for r in runs if r.status is JobStatus.QUEUED), key=lambda r: (r.session, r.n))
            for run in queued[: max(0, pipeline.at_once - busy)]:
                started_at = run.started_at or utc_now()
                self._runs[run.run_id] = replace(run, status=JobStatus.RUNNING, started_at=started_at)
                moved += 1
        return moved

    async def find_due(self) -> list[str]:
        active = (r for r in self._runs.values() if r.status in {JobStatus.RUNNING, JobStatus.CANCELLING})
        return [run.run_id for run in sorted(active, key=lambda r: r.session)]

    async def advance(self, run_id: str, decide: Decide) -> tuple[PipelineRun, list[Job]] | None:
        run = self._runs[run_id]
        tasks = {state.job_id: step.task for step in run.steps if (state := run.states[step.name]).job_id}
        loaded = [await self._history.load(tasks[i].partition(".")[0], i) for i in run.open_jobs]
        jobs = [job for job in loaded if job]
        ends = {job.job_id: JobEnd.of(job.status, (job.result or {}).get("symbols"), job.error) for job in jobs}
        decided, drafts = decide(run, ends)
        admitted = [(await self._history.admit(job, terms)).job for job, terms in drafts]
        if decided == run:
            return None
        self._events.note_now(events_of_end(decided, utc_now()))
        return self._save(decided), admitted

    async def prune(self, *, days: int) -> int:
        limit = utc_now() - timedelta(days=days)
        old = [run_id for run_id, run in self._runs.items() if run.ended_at and run.ended_at < limit][:PRUNE_STEP]
        for run_id in old:
            del self._runs[run_id]
        return len(old)

    def _save(self, run: PipelineRun) -> PipelineRun:
        kept = replace(run, ended_at=(run.ended_at or utc_now()) if run.status.is_final else None)
        self._runs[run.run_id] = kept
        return kept
