"""What every pipeline store promises: a run once for each session, a step once for each run, however many processes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.errors import Conflict, NotFound
from kaboom.jobs.model import Job, JobStatus
from kaboom.jobs.postgres.memory import MemoryJobHistory
from kaboom.jobs.postgres.port import JobHistory, JobQuery, Terms
from kaboom.jobs.postgres.postgres import PostgresJobHistory
from kaboom.pipelines.model import (
    MAX_PIPELINES,
    JobEnd,
    Pipeline,
    PipelineRun,
    PipelineStore,
    StartedBy,
    Step,
    StepState,
    StepStatus,
    sum_up,
)
from kaboom.pipelines.postgres import PostgresPipelineStore
from kaboom.pipelines.store import MemoryPipelineStore
from tests.fixtures.jobs.jobs import OWNER, make_job

pytestmark = pytest.mark.anyio
DAYS = [date(2025, 11, 4), date(2025, 11, 5), date(2025, 11, 6)]
STEPS = (Step("a", "ingest.run_daily", {"x": 1}), Step("b", "ingest.run_daily", needs=("a",)))


def make_pipeline(name: str = "morning", **values: Any) -> Pipeline:
    base = Pipeline(uuid4().hex, OWNER, name, STEPS)
    return replace(base, **values)


def submit_first(run: PipelineRun, _jobs: Mapping[str, JobEnd]) -> tuple[PipelineRun, list[tuple[Job, Terms]]]:
    """Decide to submit step `a`, unless it has a job."""
    if run.states["a"].job_id:
        return run, []
    job = replace(make_job(), owner=run.owner)
    state = StepState(StepStatus.QUEUED, job.job_id)
    return replace(run, states={**run.states, "a": state}), [(job, Terms("f"))]


def end(run: PipelineRun, _jobs: Mapping[str, JobEnd]) -> tuple[PipelineRun, list[tuple[Job, Terms]]]:
    """Decide that all steps are completed."""
    ended = replace(run, states={name: StepState(StepStatus.COMPLETED) for name in run.states})
    return replace(ended, status=sum_up(ended)), []


@dataclass(frozen=True)
class Desk:
    """Two stores on the same pipelines, as two processes have them, and their ledger."""

    store: PipelineStore
    other: PipelineStore
    history: JobHistory

    async def begin(self, pipeline: Pipeline, day: date = DAYS[0]) -> PipelineRun:
        """Return a run that goes on."""
        started = (await self.store.start(pipeline, [day], by=StartedBy.HAND))[0]
        await self.store.activate()
        return await self.store.load_run(OWNER, started.run.run_id)

    async def end_job(self, status: JobStatus = JobStatus.COMPLETED, **values: object) -> Job:
        """Keep a job of the ingest that ended just now."""
        plan = values.pop("plan")
        draft = replace(make_job(), **({"owner": OWNER} | values))  # type: ignore[arg-type]
        job = (await self.history.admit(draft, Terms(uuid4().hex))).job
        await self.history.save_plan(job.job_id, plan, [])  # type: ignore[arg-type]
        now = datetime.now(UTC)
        ended = replace(job, plan=plan, status=status, completed_at=now, started_at=now)  # type: ignore[arg-type]
        kept = await self.history.save_final(ended)
        assert kept is not None
        return kept


@pytest.fixture(params=["memory", "postgres"])
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """An empty store, twice."""
    if request.param == "memory":
        memory = MemoryJobHistory()
        store = MemoryPipelineStore(memory)
        yield Desk(store, store, memory)
        return
    url = request.getfixturevalue("database_url")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE jobs, idempotency_keys, pipelines CASCADE")
    engines = [connect_postgres(url, application_name="test") for _ in range(2)]
    history = PostgresJobHistory(engines[0])
    yield Desk(PostgresPipelineStore(engines[0]), PostgresPipelineStore(engines[1]), history)
    for engine in engines:
        await engine.dispose()


async def test_all_that_a_pipeline_holds_comes_back(desk: Desk) -> None:
    given = make_pipeline(on_task="ingest.run_daily", on_statuses=("completed",), on_where={"a": 1}, at_once=3)
    kept, is_new = await desk.store.apply(given)
    assert is_new
    assert replace(kept, created_at=None, updated_at=None) == given
    assert await desk.other.load(OWNER, "morning") == kept
    assert await desk.other.list_pipelines(OWNER) == [kept]
    assert await desk.other.list_pipelines("another") == []


async def test_a_pipeline_is_replaced_by_its_name(desk: Desk) -> None:
    first, _ = await desk.store.apply(make_pipeline())
    second, is_new = await desk.store.apply(make_pipeline(at_once=2))
    assert (second.pipeline_id, second.at_once, is_new) == (first.pipeline_id, 2, False)
    await desk.store.apply(make_pipeline(owner="another"))
    assert (await desk.store.load(OWNER, "morning")).at_once == 2


async def test_an_owner_has_a_limit(desk: Desk) -> None:
    for n in range(MAX_PIPELINES):
        await desk.store.apply(make_pipeline(f"p{n}"))
    with pytest.raises(Conflict, match="which is the limit"):
        await desk.store.apply(make_pipeline("one-more"))
    await desk.store.apply(make_pipeline("p1"))


async def test_a_session_has_one_run(desk: Desk) -> None:
    pipeline, _ = await desk.store.apply(make_pipeline())
    both = await asyncio.gather(
        *(store.start(pipeline, DAYS, by=StartedBy.HAND) for store in (desk.store, desk.other, desk.store))
    )
    assert len({each.run.run_id for started in both for each in started}) == 3
    assert sum(each.is_new for started in both for each in started) == 3


async def test_again_makes_another_run_after_the_end_of_the_first(desk: Desk) -> None:
    pipeline, _ = await desk.store.apply(make_pipeline())
    run = await desk.begin(pipeline)
    with pytest.raises(Conflict, match="has not ended"):
        await desk.store.start(pipeline, [DAYS[0]], by=StartedBy.HAND, again=True)
    await desk.store.advance(run.run_id, end)
    second = (await desk.store.start(pipeline, [DAYS[0]], by=StartedBy.HAND, again=True))[0]
    assert (second.is_new, second.run.n) == (True, 2)
    assert (await desk.store.start(pipeline, [DAYS[0]], by=StartedBy.HAND))[0].run.run_id == second.run.run_id


async def test_runs_go_on_oldest_session_first_and_few_at_once(desk: Desk) -> None:
    pipeline, _ = await desk.store.apply(make_pipeline(at_once=2))
    await desk.store.start(pipeline, list(reversed(DAYS)), by=StartedBy.HAND)
    assert (await desk.store.activate(), await desk.other.activate()) == (2, 0)
    runs = {run.session: run for run in await desk.store.list_runs(OWNER)}
    assert [runs[day].status for day in DAYS] == [JobStatus.RUNNING, JobStatus.RUNNING, JobStatus.QUEUED]
    await desk.store.advance(runs[DAYS[0]].run_id, end)
    assert await desk.store.activate() == 1


async def test_a_step_is_submitted_once_by_two_processes(desk: Desk) -> None:
    pipeline, _ = await desk.store.apply(make_pipeline())
    run = await desk.begin(pipeline)
    await asyncio.gather(*(store.advance(run.run_id, submit_first) for store in (desk.store, desk.other) * 4))
    jobs = await desk.history.list_jobs(JobQuery(("ingest",), OWNER))
    assert len(jobs) == 1
    assert (await desk.store.load_run(OWNER, run.run_id)).states["a"].job_id == jobs[0].job_id


async def test_a_job_finds_the_run_of_its_step(desk: Desk) -> None:
    run = await desk.begin((await desk.store.apply(make_pipeline()))[0])
    advanced = await desk.store.advance(run.run_id, submit_first)
    assert advanced is not None
    await desk.begin((await desk.store.apply(make_pipeline("other")))[0])
    job_id = advanced[1][0].job_id
    assert [each.run_id for each in await desk.other.list_runs(OWNER, job_id=job_id)] == [run.run_id]
    assert await desk.other.list_runs(OWNER, job_id=uuid4().hex) == []
    assert await desk.other.list_runs("another", job_id=job_id) == []
    # A retry replaces the job of the step, which still belongs to the run.
    newer = StepState(StepStatus.QUEUED, uuid4().hex, earlier=(job_id,))

    async def retry(found: PipelineRun) -> PipelineRun:
        return replace(found, states={**found.states, "a": newer})

    await desk.store.change_run(OWNER, run.run_id, retry)
    for each in (job_id, newer.job_id):
        assert [found.run_id for found in await desk.other.list_runs(OWNER, job_id=each)] == [run.run_id]


async def test_a_run_is_due_again_when_its_job_has_ended(desk: Desk, request: pytest.FixtureRequest) -> None:
    pipeline, _ = await desk.store.apply(make_pipeline())
    run = await desk.begin(pipeline)
    assert await desk.store.find_due() == [run.run_id]
    moved = await desk.store.advance(run.run_id, submit_first)
    assert moved is not None
    job = moved[1][0]
    if "postgres" in request.node.name:  # in memory every active run is looked at
        assert await desk.store.find_due() == []
    error = {"type": "InvalidRequest", "message": "no bars are held"}
    await desk.history.save_final(replace(job, status=JobStatus.FAILED, error=error, completed_at=datetime.now(UTC)))
    assert await desk.store.find_due() == [run.run_id]
    seen: list[Mapping[str, JobEnd]] = []

    def look(run: PipelineRun, jobs: Mapping[str, JobEnd]) -> tuple[PipelineRun, list[tuple[Job, Terms]]]:
        seen.append(jobs)
        return end(run, jobs)

    await desk.store.advance(run.run_id, look)
    assert seen == [{job.job_id: JobEnd(JobStatus.FAILED, error="no bars are held")}]
    assert await desk.store.find_due() == []
    assert await desk.store.advance(run.run_id, end) is None if "postgres" in request.node.name else True


async def test_a_run_is_loaded_by_its_owner_and_its_id(desk: Desk) -> None:
    runs = [await desk.begin((await desk.store.apply(make_pipeline(name)))[0]) for name in ("morning", "evening")]
    assert [(await desk.store.load_run(OWNER, run.run_id)).pipeline for run in runs] == ["morning", "evening"]
    for owner, run_id in (("another", runs[0].run_id), (OWNER, "f" * 32)):
        with pytest.raises(NotFound):
            await desk.store.load_run(owner, run_id)


async def test_a_pipeline_with_a_run_that_goes_on_is_not_deleted(desk: Desk) -> None:
    pipeline, _ = await desk.store.apply(make_pipeline())
    run = await desk.begin(pipeline)
    with pytest.raises(Conflict, match="cancel it first"):
        await desk.store.delete(OWNER, "morning")
    await desk.store.advance(run.run_id, end)
    with pytest.raises(NotFound):
        await desk.store.delete("another", "morning")
    await desk.store.delete(OWNER, "morning")
    with pytest.raises(NotFound):
        await desk.store.load_run(OWNER, run.run_id)
    with pytest.raises(NotFound):
        await desk.store.start(pipeline, DAYS, by=StartedBy.HAND)


class TestTriggers:
    WATCHED: Mapping[str, Any] = {"on_task": "ingest.run_daily", "on_statuses": ("completed", "partial")}
    PLAN = {"session": "2025-11-04", "is_final": True, "chunks": 0}  # noqa: RUF012
    WHOLE = {"market": "TSE_PRIME", "intervals": {"1m": 1}}  # noqa: RUF012

    async def test_the_end_of_a_job_starts_a_run_once(self, desk: Desk) -> None:
        pipeline, _ = await desk.store.apply(make_pipeline(**self.WATCHED))
        job = await desk.end_job(request=self.WHOLE, plan=self.PLAN)
        assert [(p.name, j.job_id) for p, j in await desk.store.find_triggers()] == [("morning", job.job_id)]
        await desk.store.start(pipeline, [DAYS[0]], by=StartedBy.JOB, trigger_job_id=job.job_id)
        await desk.end_job(request=self.WHOLE, plan=self.PLAN)
        assert await desk.store.find_triggers() == []

    @pytest.mark.parametrize(
        "values",
        [
            {"status": JobStatus.FAILED},
            {"request": WHOLE | {"symbols": ["7203"]}},
            {"request": WHOLE | {"dry_run": True}},
            {"request": WHOLE | {"market": "TSE_GROWTH"}},
            {"plan": PLAN | {"is_final": False}},
            {"owner": "another"},
            {"task": "ingest.backfill"},
        ],
        ids=["failed", "some symbols", "dry run", "other market", "before the close", "other owner", "other task"],
    )
    async def test_other_jobs_start_nothing(self, desk: Desk, values: dict[str, object]) -> None:
        await desk.store.apply(make_pipeline(**self.WATCHED, on_where={"market": "TSE_PRIME"}))
        await desk.end_job(**({"request": self.WHOLE, "plan": self.PLAN} | values))  # type: ignore[arg-type]
        assert await desk.store.find_triggers() == []

    async def test_a_job_that_ended_before_starts_nothing(self, desk: Desk) -> None:
        await desk.end_job(request=self.WHOLE, plan=self.PLAN)
        await desk.store.apply(make_pipeline(**self.WATCHED))
        assert await desk.store.find_triggers() == []


async def test_old_runs_are_pruned(desk: Desk) -> None:
    pipeline, _ = await desk.store.apply(make_pipeline())
    run = await desk.begin(pipeline)
    assert await desk.store.prune(days=0) == 0
    await desk.store.advance(run.run_id, end)
    assert await desk.store.prune(days=1) == 0
    assert await desk.store.prune(days=0) == 1
