"""The pipelines and their runs in PostgreSQL, in the database of the ledger; `kaboom migrate` makes the tables."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    Column,
    ColumnElement,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Row,
    Table,
    Text,
    UniqueConstraint,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kaboom.drivers.clock import utc_now
from kaboom.drivers.postgres.database import too_many
from kaboom.drivers.postgres.engine import METADATA, AsyncEngine, Statements, open_transaction, texts
from kaboom.errors import Conflict
from kaboom.jobs.model import Job, JobStatus
from kaboom.jobs.postgres.admission import admit
from kaboom.jobs.postgres.postgres_outbox import note
from kaboom.jobs.postgres.tables import JOBS, parse_job
from kaboom.pipelines.events import events_of_end
from kaboom.pipelines.model import (
    MAX_PIPELINES,
    PARTS_ONLY,
    PRUNE_STEP,
    TRIGGER_DAYS,
    Decide,
    JobEnd,
    Pipeline,
    PipelineRun,
    Started,
    StartedBy,
    Step,
    StepState,
    miss_pipeline,
    miss_run,
)

_NOW = func.clock_timestamp()
_ACTIVE = ("running", "cancelling")

PIPELINES = Table(
    "pipelines",
    METADATA,
    Column("pipeline_id", Text, primary_key=True),
    *texts("owner", "name"),
    Column("steps", JSONB, nullable=False),
    Column("on_task", Text),
    Column("on_statuses", JSONB, nullable=False),
    Column("on_where", JSONB, nullable=False),
    Column("at_once", Integer, nullable=False),
    # Jobs that ended earlier start no run: set anew when the start changes.
    Column("watch_from", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    UniqueConstraint("owner", "name", name="pipelines_name"),
)

RUNS = Table(
    "pipeline_runs",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("pipeline_id", Text, ForeignKey("pipelines.pipeline_id", ondelete="CASCADE"), nullable=False),
    *texts("pipeline", "owner"),
    Column("session", Date, nullable=False),
    Column("n", Integer, nullable=False),
    *texts("status", "started_by"),
    Column("steps", JSONB, nullable=False),
    Column("states", JSONB, nullable=False),
    # The jobs whose end the run waits for.
    Column("open_jobs", JSONB, nullable=False, server_default="[]"),
    Column("trigger_job_id", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("started_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    UniqueConstraint("pipeline_id", "session", "n", name="pipeline_runs_once"),
    Index("pipeline_runs_open", "pipeline_id", "session", postgresql_where=text("ended_at IS NULL")),
    Index("pipeline_runs_ended", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
    Index("pipeline_runs_newest", "owner", "session"),
)

_ACTIVATE = text("""
UPDATE pipeline_runs AS r SET status = 'running', started_at = coalesce(r.started_at, clock_timestamp())
FROM (SELECT pipeline_id, at_once FROM pipelines AS p WHERE EXISTS (
    SELECT FROM pipeline_runs AS q WHERE q.pipeline_id = p.pipeline_id AND q.ended_at IS NULL AND q.status = 'queued'
) FOR UPDATE SKIP LOCKED) AS p
CROSS JOIN LATERAL (
    SELECT run_id FROM pipeline_runs AS q
    WHERE q.pipeline_id = p.pipeline_id AND q.ended_at IS NULL AND q.status = 'queued' ORDER BY q.session, q.n
    LIMIT greatest(0, p.at_once - (SELECT count(*) FROM pipeline_runs AS a
        WHERE a.pipeline_id = p.pipeline_id AND a.ended_at IS NULL AND a.status IN ('running', 'cancelling')))
) AS next
WHERE r.run_id = next.run_id AND r.status = 'queued'
""")
_DUE = text("""
SELECT run_id FROM pipeline_runs AS r
WHERE ended_at IS NULL AND (status = 'cancelling' OR (status = 'running' AND (
    open_jobs = '[]' OR EXISTS (
        SELECT FROM jsonb_array_elements_text(open_jobs) AS o(id) LEFT JOIN jobs AS j ON j.job_id = o.id
        WHERE j.job_id IS NULL OR j.status IN ('completed', 'partial', 'failed', 'cancelled')
    )
))) ORDER BY session LIMIT 100
""")
# `does_start` of the model does the same.
_TRIGGERS = text("""
SELECT p.pipeline_id, j.job_id FROM pipelines AS p JOIN jobs AS j
    ON j.queue = split_part(p.on_task, '.', 1) AND j.task = p.on_task AND j.owner = p.owner
    AND j.completed_at > greatest(p.watch_from, clock_timestamp() - make_interval(days => :days))
    AND p.on_statuses ? j.status AND j.request @> p.on_where
    AND j.plan ->> 'is_final' IS DISTINCT FROM 'false'
    AND NOT (j.request - ARRAY(SELECT jsonb_object_keys(p.on_where))) ?| CAST(:parts AS text[])
WHERE p.on_task IS NOT NULL AND NOT EXISTS (
    SELECT FROM pipeline_runs AS r WHERE r.pipeline_id = p.pipeline_id AND (r.trigger_job_id = j.job_id
        OR r.session::text = coalesce(j.plan ->> 'session', j.request ->> 'session'))
) ORDER BY j.completed_at LIMIT 100
""")
_PRUNE = text("""
DELETE FROM pipeline_runs WHERE run_id IN (
    SELECT run_id FROM pipeline_runs WHERE ended_at < clock_timestamp() - make_interval(days => :days)
    ORDER BY ended_at LIMIT :step FOR UPDATE SKIP LOCKED
)
""")


class PostgresPipelineStore:
    """`PipelineStore` on PostgreSQL 14 or newer, in the database of the ledger."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._statements = Statements(engine)

    async def apply(self, pipeline: Pipeline) -> tuple[Pipeline, bool]:
        values = {name: getattr(pipeline, name) for name in ("owner", "name", "on_task", "at_once")} | {
            "steps": [step.to_json() for step in pipeline.steps],
            "on_statuses": list(pipeline.on_statuses),
            "on_where": dict(pipeline.on_where),
        }
        async with open_transaction(self._engine) as connection:
            mine = (PIPELINES.c.owner == pipeline.owner, PIPELINES.c.name == pipeline.name)
            old = (await connection.execute(select(PIPELINES).where(*mine).with_for_update())).one_or_none()
            if old is not None:
                is_same = all(getattr(old, name) == values[name] for name in _START)
                moved = {} if is_same else {"watch_from": _NOW}
                change = PIPELINES.update().where(*mine).values(values | moved | {"updated_at": _NOW})
                return _parse((await connection.execute(change.returning(PIPELINES))).one()), False
            count = select(func.count()).where(PIPELINES.c.owner == pipeline.owner)
            if (await connection.execute(count)).scalar_one() >= MAX_PIPELINES:
                raise Conflict(too_many("pipelines", MAX_PIPELINES))
            new = insert(PIPELINES).values(values | {"pipeline_id": pipeline.pipeline_id}).returning(PIPELINES)
            return _parse((await connection.execute(new)).one()), True

    async def list_pipelines(self, owner: str) -> list[Pipeline]:
        statement = select(PIPELINES).where(PIPELINES.c.owner == owner).order_by(PIPELINES.c.name.collate("C"))
        return [_parse(row) for row in await self._statements.fetch(statement)]

    async def load(self, owner: str, name: str) -> Pipeline:
        rows = await self._statements.fetch(select(PIPELINES).where(*_named(owner, name)))
        return _parse(rows[0]) if rows else miss_pipeline(name)

    async def delete(self, owner: str, name: str) -> None:
        async with open_transaction(self._engine) as connection:
            row = (await connection.execute(select(PIPELINES).where(*_named(owner, name)).with_for_update())).first()
            if row is None:
                miss_pipeline(name)
            is_open = (RUNS.c.pipeline_id == row.pipeline_id, RUNS.c.ended_at.is_(None))
            if (await connection.execute(select(RUNS.c.run_id).where(*is_open).limit(1))).first():
                raise Conflict(f"a run of pipeline {name} has not ended: cancel it first")
            await connection.execute(PIPELINES.delete().where(PIPELINES.c.pipeline_id == row.pipeline_id))

    async def start(
        self,
        pipeline: Pipeline,
        sessions: Sequence[date],
        *,
        by: StartedBy,
        again: bool = False,
        trigger_job_id: str | None = None,
    ) -> list[Started]:
        async with open_transaction(self._engine) as connection:
            # The lock keeps one start at a time, and a delete away.
            mine = PIPELINES.c.pipeline_id == pipeline.pipeline_id
            if (await connection.execute(select(PIPELINES.c.name).where(mine).with_for_update())).first() is None:
                miss_pipeline(pipeline.name)
            newest = await self._newest(connection, pipeline, sessions)
            if again and (busy := [s for s in sessions if s in newest and newest[s].ended_at is None]):
                raise Conflict(f"the run of session {busy[0]} has not ended: wait for it, or cancel it first")
            steps = [step.to_json() for step in pipeline.steps]
            waiting = {step.name: StepState().to_json() for step in pipeline.steps}
            rows = [
                {
                    "run_id": uuid4().hex, "pipeline_id": pipeline.pipeline_id, "pipeline": pipeline.name,
                    "owner": pipeline.owner, "session": session, "n": newest[session].n + 1 if session in newest else 1,
                    "status": "queued", "started_by": by.value, "steps": steps, "states": waiting,
                    "trigger_job_id": trigger_job_id,
                }
                for session in sessions
                if again or session not in newest
            ]  # fmt: skip
            made = set[str]()
            if rows:
                await connection.execute(insert(RUNS), rows)
                made = {str(row["run_id"]) for row in rows}
                newest = await self._newest(connection, pipeline, sessions)
        return [Started(newest[session], newest[session].run_id in made) for session in sessions]

    async def _newest(
        self, connection: AsyncConnection, pipeline: Pipeline, sessions: Sequence[date]
    ) -> dict[date, PipelineRun]:
        mine = (RUNS.c.pipeline_id == pipeline.pipeline_id, RUNS.c.session.in_(sessions))
        return {
            row.session: _parse_run(row) for row in await connection.execute(select(RUNS).where(*mine).order_by("n"))
        }

    async def list_runs(
        self, owner: str, *, pipeline: str | None = None, job_id: str | None = None, limit: int = 50
    ) -> list[PipelineRun]:
        statement = select(RUNS).where(RUNS.c.owner == owner)
        if pipeline is not None:
            statement = statement.where(RUNS.c.pipeline == pipeline)
        if job_id is not None:
            # An id of 32 hex digits is no part of another text.
            statement = statement.where(RUNS.c.states.cast(Text).contains(job_id, autoescape=True))
        statement = statement.order_by(RUNS.c.session.desc(), RUNS.c.created_at.desc(), RUNS.c.run_id).limit(limit)
        return [_parse_run(row) for row in await self._statements.fetch(statement)]

    async def load_run(self, owner: str, run_id: str) -> PipelineRun:
        rows = await self._statements.fetch(select(RUNS).where(RUNS.c.owner == owner, RUNS.c.run_id == run_id))
        return _parse_run(rows[0]) if rows else miss_run(run_id)

    async def change_run(
        self, owner: str, run_id: str, edit: Callable[[PipelineRun], Awaitable[PipelineRun]]
    ) -> PipelineRun:
        async with open_transaction(self._engine) as connection:
            one = select(RUNS).where(RUNS.c.owner == owner, RUNS.c.run_id == run_id).with_for_update()
            row = (await connection.execute(one)).one_or_none()
            if row is None:
                miss_run(run_id)
            return await _save(connection, await edit(_parse_run(row)))

    async def find_triggers(self) -> list[tuple[Pipeline, Job]]:
        rows = await self._statements.fetch(_TRIGGERS, {"days": TRIGGER_DAYS, "parts": list(PARTS_ONLY)})
        if not rows:
            return []
        own = PIPELINES.c.pipeline_id.in_({row.pipeline_id for row in rows})
        pipelines = {row.pipeline_id: _parse(row) for row in await self._statements.fetch(select(PIPELINES).where(own))}
        ids = JOBS.c.job_id.in_({row.job_id for row in rows})
        jobs = {row.job_id: parse_job(row) for row in await self._statements.fetch(select(JOBS).where(ids))}
        both = [(pipelines.get(row.pipeline_id), jobs.get(row.job_id)) for row in rows]
        return [(pipeline, job) for pipeline, job in both if pipeline and job]

    async def activate(self) -> int:
        return await self._statements.execute(_ACTIVATE)

    async def find_due(self) -> list[str]:
        return [row.run_id for row in await self._statements.fetch(_DUE)]

    async def advance(self, run_id: str, decide: Decide) -> tuple[PipelineRun, list[Job]] | None:
        async with open_transaction(self._engine) as connection:
            one = select(RUNS).where(RUNS.c.run_id == run_id, RUNS.c.status.in_(_ACTIVE))
            row = (await connection.execute(one.with_for_update(skip_locked=True))).one_or_none()
            if row is None:
                return None
            run = _parse_run(row)
            ids = select(JOBS.c.job_id, JOBS.c.status, JOBS.c.result["symbols"].label("symbols"), JOBS.c.error)
            found = await connection.execute(ids.where(JOBS.c.job_id.in_(run.open_jobs)))
            ends = {job.job_id: JobEnd.of(JobStatus(job.status), job.symbols, job.error) for job in found}
            decided, drafts = decide(run, ends)
            admitted = [(await admit(connection, job, terms)).job for job, terms in drafts]
            if decided == run:
                return None
            await note(connection, events_of_end(decided, utc_now()))
            return await _save(connection, decided), admitted

    async def prune(self, *, days: int) -> int:
        return await self._statements.execute(_PRUNE, {"days": days, "step": PRUNE_STEP})


_START = ("on_task", "on_statuses", "on_where")


async def _save(connection: AsyncConnection, run: PipelineRun) -> PipelineRun:
    values: dict[str, Any] = {
        "status": run.status.value,
        "states": {name: state.to_json() for name, state in run.states.items()},
        "open_jobs": list(run.open_jobs),
        "ended_at": func.coalesce(RUNS.c.ended_at, _NOW) if run.status.is_final else None,
    }
    change = RUNS.update().where(RUNS.c.run_id == run.run_id).values(values).returning(RUNS)
    return _parse_run((await connection.execute(change)).one())


def _parse(row: Row[Any]) -> Pipeline:
    names = ("pipeline_id", "owner", "name", "on_task", "on_where", "at_once", "created_at", "updated_at")
    steps = tuple(map(Step.from_json, row.steps))
    return Pipeline(**{n: getattr(row, n) for n in names}, steps=steps, on_statuses=tuple(row.on_statuses))


def _parse_run(row: Row[Any]) -> PipelineRun:
    names = (
        "run_id", "pipeline_id", "pipeline", "owner", "session", "n", "trigger_job_id", "created_at", "started_at",
        "ended_at",
    )  # fmt: skip
    return PipelineRun(
        **{name: getattr(row, name) for name in names},
        steps=tuple(map(Step.from_json, row.steps)),
        states={name: StepState.from_json(state) for name, state in row.states.items()},
        status=JobStatus(row.status),
        started_by=StartedBy(row.started_by),
    )


def _named(owner: str, name: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return PIPELINES.c.owner == owner, PIPELINES.c.name == name
