"""The job ledger in PostgreSQL."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Row,
    Select,
    Text,
    Update,
    any_,
    bindparam,
    case,
    func,
    null,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection

from kaboom.drivers.clock import utc_now
from kaboom.drivers.postgres.engine import AsyncEngine, Statements, is_missing_table, open_transaction
from kaboom.errors import NotFound, StoreError
from kaboom.jobs.model import COUNTS, TRANSITIONS, Chunk, ChunkState, Job, JobStatus, Tally
from kaboom.jobs.postgres.activity import Activity, ActivityQuery
from kaboom.jobs.postgres.admission import GroupCommit, admit, build_draft, confirm
from kaboom.jobs.postgres.dead_letters import DeadLetter, DeadLetterQuery
from kaboom.jobs.postgres.events import events_of_end
from kaboom.jobs.postgres.port import (
    ENDED_PAGE,
    PRUNE_STEP,
    UNFINISHED_PAGE,
    Admission,
    JobQuery,
    LedgerStats,
    Terms,
    Unfinished,
)
from kaboom.jobs.postgres.postgres_outbox import PostgresOutbox, note, release
from kaboom.jobs.postgres.queries import (
    FOLDS,
    PRUNE,
    STATS,
    VERSION,
    build_dead_letters,
    build_end,
    build_page,
    load_activity,
    parse_dead_letter,
    parse_stats,
)
from kaboom.jobs.postgres.schema import compare_revision
from kaboom.jobs.postgres.tables import API_KEYS, JOB_CHUNKS, JOBS, parse_job
from kaboom.jobs.records import parse_runs

#: About 2 KB each.
_MOST = 1000


class SeenJobs:
    """The most recently listed jobs, each with the version of its row: PostgreSQL's `xmin`, new with every change."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, tuple[str, Job]] = OrderedDict()

    def find(self, versions: Mapping[str, str]) -> dict[str, Job]:
        """Return the cached jobs whose version is the same; a job is the same object each time."""
        known = [(job_id, self._jobs.get(job_id), version) for job_id, version in versions.items()]
        return {job_id: seen[1] for job_id, seen, version in known if seen and seen[0] == version}

    def keep(self, read: Iterable[tuple[str, Job]]) -> None:
        """Cache jobs with their versions; the jobs that were cached longest ago are evicted."""
        for version, job in read:
            self._jobs[job.job_id] = version, job
            self._jobs.move_to_end(job.job_id)
        while len(self._jobs) > _MOST:
            self._jobs.popitem(last=False)


_REVISION = text("SELECT max(version_num) FROM alembic_version")
_SCHEMA = text("SELECT 1 FROM jobs LIMIT 1")
#: Writes 8 KiB to the write-ahead log and to no table; the commit waits for the disk.
_LOG = text("SELECT pg_logical_emit_message(true, 'kaboom', repeat('.', 8192))")
#: So little memory makes PostgreSQL sort in a temporary file, which fails when the disk is full.
_LITTLE_MEMORY = text("SET LOCAL work_mem = '64kB'")
_SORT = text(
    "SELECT count(x) FROM"
    " (SELECT repeat(md5(n::text), 8) AS x FROM generate_series(1, 1000) AS n ORDER BY random() OFFSET 0) AS sorted"
)
_IS_READ_ONLY = text("SELECT current_setting('transaction_read_only') = 'on'")


async def try_write(engine: AsyncEngine) -> str:
    """Check the schema, and that the disk accepts a write; costs one commit.

    Return a sentence if a newer release has migrated the schema.

    Raises:
        StoreError: the ledger does not answer, has no schema or an older one, or its disk is full or read-only.

    """
    async with open_transaction(engine) as connection:
        newer = compare_revision(await _find_revision(connection))
        for statement in (_SCHEMA, _LITTLE_MEMORY, _SORT, _LOG):
            await connection.execute(statement)
        is_read_only = (await connection.execute(_IS_READ_ONLY)).scalar_one()
    if is_read_only:
        raise StoreError("PostgreSQL takes no write: its transactions are read-only")
    return newer


async def _find_revision(connection: AsyncConnection) -> str | None:
    try:
        found: str | None = (await connection.execute(_REVISION)).scalar()
    except ProgrammingError as e:
        if is_missing_table(e):
            return None
        raise
    return found


_OPEN_JOBS = sorted(status.value for status in JobStatus if TRANSITIONS[status])
_PLANNED = {JobStatus.QUEUED.value: JobStatus.RUNNING.value}
_OPEN_CHUNKS = [ChunkState.QUEUED.value, ChunkState.RUNNING.value]
_FINAL_COLUMNS = ("started_at", "completed_at", "rate", *COUNTS)
_BY_IDS = select(JOBS, VERSION).where(JOBS.c.job_id == any_(bindparam("ids", type_=ARRAY(Text))))


#: Built once: to build the statement and look up its compiled SQL costs as much as PostgreSQL needs to execute it.
_END_CHUNK = (
    JOB_CHUNKS.update()
    .where(JOB_CHUNKS.c.job_id == bindparam("of_job"), JOB_CHUNKS.c.n == bindparam("number"))
    .values(
        state=bindparam("ending"),
        attempts=bindparam("tries"),
        tally=bindparam("settled"),
        runs=bindparam("ran"),
        ended_at=func.clock_timestamp(),
    )
)
_END_OPEN_CHUNK = _END_CHUNK.where(JOB_CHUNKS.c.state.in_(_OPEN_CHUNKS))


class PostgresJobHistory:
    """`JobHistory` on PostgreSQL 14 or newer."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.outbox = PostgresOutbox(engine)
        self._statements = Statements(engine)
        self._seen = SeenJobs()
        self._group_commit = GroupCommit(self._statements)

    async def admit(self, job: Job, terms: Terms) -> Admission:
        if draft := build_draft(job, terms):
            return await self._group_commit.admit(draft)
        async with open_transaction(self._engine) as connection:
            return await admit(connection, job, terms)

    async def confirm_join(self, job: Job, terms: Terms) -> Admission:
        async with open_transaction(self._engine) as connection:
            return await confirm(connection, job, terms)

    async def save_plan(
        self,
        job_id: str,
        plan: Mapping[str, Any],
        chunks: Sequence[Chunk],
        *,
        result: Mapping[str, Any] | None = None,
    ) -> tuple[Mapping[str, Any], list[Chunk]]:
        locked = select(JOBS.c.plan, JOBS.c.status).where(JOBS.c.job_id == job_id).with_for_update()
        async with open_transaction(self._engine) as connection:
            row = (await connection.execute(locked)).one_or_none()
            if row is None:
                raise NotFound(f"job {job_id} is not in the ledger")
            if row.plan is None and row.status not in _OPEN_JOBS:
                return plan, list(chunks)
            if row.plan is None:
                planned = {
                    "plan": dict(plan),
                    "result": null() if result is None else dict(result),
                    "status": case(_PLANNED, value=JOBS.c.status, else_=JOBS.c.status),
                }
                await connection.execute(_open_job(job_id).values(planned))
                if chunks:
                    await connection.execute(insert(JOB_CHUNKS), [_chunk_row(job_id, c) for c in chunks])
                return plan, list(chunks)
            kept = await connection.execute(_chunks_of(job_id))
            return row.plan, [_parse_chunk(r) for r in kept]

    async def save_status(self, job_id: str, status: JobStatus) -> None:
        before = [known.value for known in JobStatus if status in TRANSITIONS[known]]
        await self._statements.execute(_open_job(job_id).where(JOBS.c.status.in_(before)).values(status=status.value))

    async def save_chunk(self, job_id: str, chunk: Chunk) -> None:
        await self._statements.execute(_END_OPEN_CHUNK, _chunk_end(job_id, chunk))

    async def save_final(self, job: Job, chunks: Sequence[Chunk] = ()) -> Job | None:
        values: dict[str, Any] = {name: getattr(job, name) for name in _FINAL_COLUMNS}
        values |= {"outcomes": dict(job.outcomes), "counts": dict(job.counts), "status": job.status.value}
        values["error"] = dict(job.error) if job.error else None
        if job.plan is None:
            values["plan"] = null()
        async with open_transaction(self._engine) as connection:
            ended = await connection.execute(_open_job(job.job_id).values(values).returning(JOBS.c.job_id))
            if ended.first():
                await _end_chunks(connection, job, chunks)
                await release(connection, job)
                await note(connection, events_of_end(job, utc_now()))
            row = (await connection.execute(select(JOBS).where(JOBS.c.job_id == job.job_id))).one_or_none()
        return parse_job(row) if row else None

    async def load(self, queue: str, job_id: str) -> Job | None:
        jobs = await self._jobs(select(JOBS).where(JOBS.c.job_id == job_id, JOBS.c.queue == queue))
        return jobs[0] if jobs else None

    async def load_chunks(self, job_id: str) -> list[Chunk]:
        return [_parse_chunk(row) for row in await self._statements.fetch(_chunks_of(job_id))]

    async def list_jobs(self, query: JobQuery) -> list[Job]:
        return await self._load_page(build_page(query))

    async def find_end(self, query: JobQuery, *, jobs: int) -> tuple[datetime, str] | None:
        rows = await self._statements.fetch(build_end(query, jobs=jobs))
        return (rows[0].requested_at, rows[0].job_id) if rows else None

    async def unfinished(
        self, queue: str, *, older_than_s: float, after: tuple[datetime, str] | None = None
    ) -> list[Unfinished]:
        place = (JOBS.c.requested_at, JOBS.c.job_id)
        age = func.make_interval(0, 0, 0, 0, 0, 0, older_than_s)
        statement = (
            select(JOBS.c.job_id, JOBS.c.status, JOBS.c.requested_at)
            .where(JOBS.c.queue == queue, JOBS.c.status.in_(_OPEN_JOBS))
            .where(JOBS.c.requested_at <= func.clock_timestamp() - age)
        )
        if after:
            statement = statement.where(tuple_(*place) > after)
        rows = await self._statements.fetch(statement.order_by(*place).limit(UNFINISHED_PAGE))
        return [Unfinished(row.job_id, JobStatus(row.status), row.requested_at) for row in rows]

    async def recent_ends(self, queue: str, *, since: datetime, after: tuple[datetime, str] | None = None) -> list[Job]:
        place = (JOBS.c.completed_at, JOBS.c.job_id)
        statement = select(JOBS).where(JOBS.c.queue == queue, JOBS.c.completed_at >= since)
        if after:
            statement = statement.where(tuple_(*place) > after)
        return await self._jobs(statement.order_by(*place).limit(ENDED_PAGE))

    async def stats(self, queue: str, *, owner: str | None = None) -> LedgerStats:
        (row,) = await self._statements.fetch(STATS, {"queue": queue, "owner": owner})
        return parse_stats(row)

    async def activity(self, query: ActivityQuery) -> Mapping[str, Activity]:
        async with self._statements.hold() as connection:
            return await load_activity(connection, query)

    async def dead_letters(self, query: DeadLetterQuery) -> list[DeadLetter]:
        return [parse_dead_letter(row) for row in await self._statements.fetch(build_dead_letters(query))]

    async def ended(self, queue: str, tasks: Collection[str], *, since: datetime) -> list[Job]:
        return await self._jobs(
            select(JOBS).where(
                JOBS.c.queue == queue,
                JOBS.c.completed_at >= since,
                JOBS.c.task.in_(tasks),
                JOBS.c.status.in_([JobStatus.COMPLETED, JobStatus.PARTIAL]),
            )
        )

    async def load_api_key(self, name: str) -> bytes | None:
        rows = await self._statements.fetch(select(API_KEYS.c.key).where(API_KEYS.c.name == name))
        return bytes(rows[0].key) if rows else None

    async def replace_api_key(self, name: str, old: bytes | None, new: bytes) -> bool:
        added = insert(API_KEYS).values(name=name, key=new).on_conflict_do_nothing()
        same = (API_KEYS.c.name == name, API_KEYS.c.key == old)
        change = added if old is None else API_KEYS.update().where(*same).values(key=new)
        return bool(await self._statements.fetch(change.returning(API_KEYS.c.name)))

    async def tidy(self) -> None:
        for fold in FOLDS:
            await self._statements.execute(fold)

    async def prune(self, queue: str, *, days: int) -> list[str]:
        values = {"queue": queue, "days": days, "open": _OPEN_JOBS, "step": PRUNE_STEP}
        return [row.job_id for row in await self._statements.fetch(PRUNE, values)]

    async def delete(self, job_id: str) -> None:
        await self._statements.execute(JOBS.delete().where(JOBS.c.job_id == job_id))

    async def try_write(self) -> str:
        return await try_write(self._engine)

    async def _load_page(self, page: Select[Any]) -> list[Job]:
        """Return the jobs of a page in its order; only jobs that have changed since the last read are read again."""
        async with self._statements.hold() as connection:
            versions = {row.job_id: row.version for row in await connection.execute(page)}
            found = self._seen.find(versions)
            if missing := [job_id for job_id in versions if job_id not in found]:
                rows = await connection.execute(_BY_IDS, {"ids": missing})
                read = [(row.version, parse_job(row)) for row in rows]
                self._seen.keep(read)
                found |= {job.job_id: job for _, job in read}
        if len(found) < len(versions):
            # A job was deleted between the statements; a page that is not full would look like the last page.
            return await self._load_page(page)
        return [found[job_id] for job_id in versions]

    async def _jobs(self, statement: Select[Any]) -> list[Job]:
        return [parse_job(row) for row in await self._statements.fetch(statement)]


def _open_job(job_id: str) -> Update:
    return JOBS.update().where(JOBS.c.job_id == job_id, JOBS.c.status.in_(_OPEN_JOBS))


def _chunks_of(job_id: str) -> Select[Any]:
    return select(JOB_CHUNKS).where(JOB_CHUNKS.c.job_id == job_id).order_by(JOB_CHUNKS.c.n)


async def _end_chunks(connection: AsyncConnection, job: Job, chunks: Sequence[Chunk]) -> None:
    """Save the chunks that the job's end adds up; a chunk may have run again after Redis lost its last seconds."""
    if job.plan is None:
        await connection.execute(JOB_CHUNKS.delete().where(JOB_CHUNKS.c.job_id == job.job_id))
        return
    # The lock makes a worker that saves the end of a chunk late wait; it then finds the chunk ended.
    rows = await connection.execute(_chunks_of(job.job_id).with_for_update())
    kept = {chunk.n: chunk for chunk in map(_parse_chunk, rows)}
    for chunk in chunks:
        # `==` of chunks ignores their runs.
        before = kept.get(chunk.n)
        if before is None or (chunk, chunk.runs) != (before, before.runs):
            await connection.execute(_END_CHUNK, _chunk_end(job.job_id, chunk))


def _chunk_end(job_id: str, chunk: Chunk) -> dict[str, Any]:
    return {
        "of_job": job_id,
        "number": int(chunk.n),
        "ending": chunk.state.value,
        "tries": chunk.attempts,
        "settled": chunk.tally.to_json(),
        "ran": [run.to_json() for run in chunk.runs],
    }


def _chunk_row(job_id: str, chunk: Chunk) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "n": int(chunk.n),
        "items": list(chunk.items),
        "payload": dict(chunk.payload),
        "state": chunk.state.value,
        "attempts": chunk.attempts,
        "tally": chunk.tally.to_json(),
    }


def _parse_chunk(row: Row[Any]) -> Chunk:
    return Chunk(
        n=str(row.n),
        items=tuple(row.items),
        payload=row.payload,
        state=ChunkState(row.state),
        tally=Tally.from_json(row.tally),
        attempts=row.attempts,
        runs=parse_runs(row.runs),
    )
