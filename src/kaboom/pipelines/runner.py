"""Move runs of pipelines on: start them, submit the jobs of their steps, and stop them.

It runs beside the scheduler, in the same processes. Several may run at once: the transaction that admits the jobs of a
run changes its row, so each step is submitted once (docs/decisions/0118).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog

from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest, KaboomError
from kaboom.jobs.engine.lifecycle import Jobs, fingerprint
from kaboom.jobs.job_type import JobType
from kaboom.jobs.model import Job, JobStatus
from kaboom.jobs.postgres.port import Terms
from kaboom.market.calendar import latest_closed_session
from kaboom.pipelines.checks import request_of
from kaboom.pipelines.marks import fill_passed, passed_steps
from kaboom.pipelines.model import (
    JobEnd,
    PipelineRun,
    PipelineStore,
    StartedBy,
    Step,
    StepState,
    StepStatus,
    is_ready,
    judge_step,
    note_ends,
    session_of,
    sum_up,
)

if TYPE_CHECKING:
    from kaboom.settings import AppSettings

#: The pause while no run goes on, and while one does. A look that finds nothing is three short queries.
TICK_S, BUSY_S = 1.0, 0.25
#: How often old runs are deleted.
_PRUNE_S = 600.0

_log = structlog.get_logger(__name__)


class PipelineRunner:
    """Moves the runs of all owners on."""

    def __init__(self, jobs: Jobs, store: PipelineStore) -> None:
        self._jobs = jobs
        self._store = store
        self._prune_at = 0.0

    async def run(self) -> None:
        """Move runs on until cancelled; wait while a store is unavailable."""
        while True:
            moved = 0
            try:
                moved = await self.step()
                await self._prune()
            except KaboomError as e:
                _log.warning("pipelines_failed", reason=e.message)
            except Exception:  # noqa: BLE001  ended here no run would move on, and nobody would notice
                _log.exception("pipelines_crashed")
            await asyncio.sleep(BUSY_S if moved else TICK_S)

    async def step(self) -> int:
        """Start what is to start, and move each run on that can; return how many moved."""
        for pipeline, job in await self._store.find_triggers():
            given = session_of(job)
            session = date.fromisoformat(given) if given else latest_closed_session(job.completed_at or utc_now())
            await self._store.start(pipeline, [session], by=StartedBy.JOB, trigger_job_id=job.job_id)
        moved = await self._store.activate()
        for run_id in await self._store.find_due():
            moved += await self._advance(run_id)
        return moved

    async def stop_jobs(self, run: PipelineRun) -> None:
        """Cancel the jobs that a cancelled run waits for; repeated until the run has ended."""
        for step in run.steps:
            state = run.states[step.name]
            if state.job_id is None or state.status.is_final or state.status is StepStatus.CANCELLING:
                continue
            job = await self._jobs.find(step.task.partition(".")[0], state.job_id, owner=run.owner)
            if not job.status.is_final:
                await self._jobs.cancel(job, reason=f"run {run.run_id} of pipeline {run.pipeline} was cancelled")

    async def _advance(self, run_id: str) -> bool:
        try:
            moved = await self._store.advance(run_id, self._decide)
            if moved is None:
                return False
            run, new = moved
            for job in new:
                # If this process dies before, the reaper sends the job from the ledger.
                await self._jobs.announce(job)
            if run.status is JobStatus.CANCELLING:
                await self.stop_jobs(run)
        except KaboomError as e:
            # The others go on.
            _log.warning("pipeline_run_failed", run_id=run_id, reason=e.message)
            return False
        if run.status.is_final:
            log = _log.info if run.status is JobStatus.COMPLETED else _log.warning
            words = {"run_id": run.run_id, "pipeline": run.pipeline, "session": run.session.isoformat()}
            log("pipeline_run_ended", status=run.status.value, **words)
        return True

    def _decide(self, run: PipelineRun, jobs: Mapping[str, JobEnd]) -> tuple[PipelineRun, list[tuple[Job, Terms]]]:
        """Return the run after the ends of its jobs, with the jobs of the steps that are ready now."""
        run = note_ends(run, jobs)
        drafts: list[tuple[Job, Terms]] = []
        for step in run.steps:
            state = run.states[step.name]
            if state.status is not StepStatus.WAITING:
                continue
            judged = judge_step(step, run)
            empty = [name for name in passed_steps(step.params) if not run.states[name].symbols]
            if judged is None and is_ready(step, run) and empty and not state.request:
                judged = replace(state, status=StepStatus.SKIPPED, reason=f"{empty[0]} passed no symbol")
            elif judged is None and is_ready(step, run):
                try:
                    drafts.append(self._build(run, step, state))
                    judged = replace(state, status=StepStatus.QUEUED, job_id=drafts[-1][0].job_id, request=None)
                except InvalidRequest as e:
                    judged = replace(state, status=StepStatus.FAILED, reason=e.message)
            if judged is not None:
                run = replace(run, states={**run.states, step.name: judged})
        return replace(run, status=sum_up(run)), drafts

    def _build(self, run: PipelineRun, step: Step, state: StepState) -> tuple[Job, Terms]:
        """Return the job of a step. It joins no other job: a run is cancelled and retried with its own jobs only."""
        parts = self._jobs.parts
        job_type = parts.catalog.require(step.task)
        request = state.request or _fill(job_type, step, run, parts.settings)
        parent = state.earlier[-1] if state.earlier else None
        attempt = len(state.earlier) + 1
        draft = Job(uuid4().hex, job_type.queue.value, job_type.name, run.owner, request)
        draft = replace(draft, parent_id=parent, attempt=attempt)
        return draft, Terms(fingerprint(job_type, request))

    async def _prune(self) -> None:
        now, days = asyncio.get_running_loop().time(), self._jobs.parts.settings.job_retention_days
        if days and now >= self._prune_at:
            dropped = await self._store.prune(days=days)
            self._prune_at = now + (0.0 if dropped else _PRUNE_S)


def _fill(job_type: JobType, step: Step, run: PipelineRun, settings: "AppSettings") -> dict[str, Any]:
    params = fill_passed(step.params, {name: state.symbols for name, state in run.states.items()})
    return request_of(job_type, params, run.session, settings)
