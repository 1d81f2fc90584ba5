"""A pipeline's own cost for each step: finding the run, deciding, admitting the job and saving the row, in PostgreSQL.

It runs 20 sessions of 5 steps with jobs that end at once, and exits with 1 if a step costs more than 20 ms.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig.goals import Goal, report
from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.jobs.model import Job, JobStatus
from kaboom.jobs.postgres.port import Terms
from kaboom.jobs.postgres.postgres import PostgresJobHistory
from kaboom.market.calendar import last_sessions, latest_closed_session
from kaboom.pipelines.model import (
    JobEnd,
    Pipeline,
    PipelineRun,
    StartedBy,
    Step,
    StepStatus,
    is_ready,
    note_ends,
    sum_up,
)
from kaboom.pipelines.postgres import PostgresPipelineStore
from tests.fixtures.servers.servers import fresh_database, open_folder, shared_servers, stop_servers

SESSIONS, STEPS, LIMIT_MS = 20, 5, 20.0


def decide(run: PipelineRun, jobs: Mapping[str, JobEnd]) -> tuple[PipelineRun, list[tuple[Job, Terms]]]:
    """Submit the steps that are ready, as the runner does, with a request that needs no check."""
    run, drafts = note_ends(run, jobs), list[tuple[Job, Terms]]()
    for step in run.steps:
        state = run.states[step.name]
        if state.status is StepStatus.WAITING and is_ready(step, run):
            job = Job(uuid4().hex, "market_data", step.task, run.owner, dict(step.params))
            drafts.append((job, Terms(uuid4().hex)))
            states = {**run.states, step.name: replace(state, status=StepStatus.QUEUED, job_id=job.job_id)}
            run = replace(run, states=states)
    return replace(run, status=sum_up(run)), drafts


async def measure(url: str, sessions: int) -> float:
    """Return the milliseconds for each step."""
    engine = connect_postgres(url, application_name="benchmark")
    store, history = PostgresPipelineStore(engine), PostgresJobHistory(engine)
    names = [f"s{n}" for n in range(STEPS)]
    steps = tuple(Step(name, "market_data.roll_up", needs=tuple(names[:n][-1:])) for n, name in enumerate(names))
    pipeline, _ = await store.apply(Pipeline(uuid4().hex, "benchmark", "benchmark", steps, at_once=1))
    days = last_sessions(sessions, latest_closed_session(datetime.now(UTC)))
    await store.start(pipeline, days, by=StartedBy.HAND)
    spent, moved = 0.0, 0
    while True:
        begun = time.perf_counter()
        await store.find_triggers()
        await store.activate()
        due = await store.find_due()
        advanced = [await store.advance(run_id, decide) for run_id in due]
        spent += time.perf_counter() - begun
        if not due:
            break
        for job in (job for found in advanced if found for job in found[1]):
            moved += 1
            await history.save_final(replace(job, status=JobStatus.COMPLETED, completed_at=datetime.now(UTC)))
    await store.delete("benchmark", "benchmark")
    await engine.dispose()
    if moved != sessions * STEPS:
        raise SystemExit(f"{moved} steps ran, expected {sessions * STEPS}")
    return spent * 1000 / moved


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5 sessions")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    sessions = 5 if arguments.quick else SESSIONS
    with open_folder() as root:
        try:
            with fresh_database(shared_servers(root)) as address:
                found_ms = asyncio.run(measure(address, sessions))
        finally:
            stop_servers(root)
    goal = Goal(f"milliseconds of a step, {sessions} sessions of {STEPS}", found_ms, most=LIMIT_MS)
    sys.exit(report({}, [goal], as_json=arguments.json))
