"""A ledger as years leave it, and the times of its statements there, asked through the product's own code."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Any
from uuid import uuid4

import psycopg
from sqlalchemy import make_url

from kaboom.errors import StoreError
from kaboom.ingest.plan import plan_chunks
from kaboom.jobs.api.job_list import SEARCHED_JOBS
from kaboom.jobs.model import Chunk, ChunkState, ItemNote, Job, JobStatus, Tally
from kaboom.jobs.postgres.activity import ActivityQuery
from kaboom.jobs.postgres.dead_letters import DeadLetterQuery
from kaboom.jobs.postgres.port import JobHistory, JobQuery, Terms
from kaboom.jobs.runs import ChunkRun
from kaboom.market.interval import Interval
from kaboom.providers.synthetic.spec import SPEC

SESSIONS_A_YEAR = 245
OWNER, TEMPLATE = "local", "template"
REPORT_BYTES = 40_000
QUEUES = ("ingest", "market_data", "backtest", "ai_analysis", "notifications")
_SESSION = date(2025, 11, 4)
#: To the millisecond, as Redis has it.
_NOW = datetime.now(UTC).replace(microsecond=0)
#: Jobs of one session beside the main one: task, queue, how many, chunks of each, items of a chunk, bytes of a result.
_BESIDE = (
    ("market_data.roll_up", "market_data", 1, 8, 500, 0),
    ("market_data.refresh_symbols", "market_data", 1, 0, 0, 400),
    ("market_data.indicators", "market_data", 4, 1, 20, 0),
    ("ingest.backfill", "ingest", 5, 1, 10, 0),
    ("backtest.run", "backtest", 5, 0, 0, 6_000),
    ("ai_analysis.analyse", "ai_analysis", 5, 0, 0, 8_000),
    ("notifications.deliver", "notifications", 10, 0, 0, 100),
)
_STEP = f"make_interval(secs => 365 * 86400.0 / {SESSIONS_A_YEAR})"
# The copies of the jobs of one session, each at its own time; of every twentieth session the main job has a dead chunk,
# and of every fiftieth all others failed.
_FROM = f"generate_series(%(first)s, %(last)s) k, generate_series(%(copy)s, %(copies)s) c, {_STEP} step"
_ID = "md5(concat_ws(' ', t.job_id, k, c))"
_IS_PARTIAL = "(task = 'ingest.run_daily' AND mod(k, 20) = 0)"
_COPIES = (
    f"""
    INSERT INTO jobs (job_id, queue, task, owner, status, request, plan, result, attempt, requested_at, started_at,
        completed_at, total, done, failed, written, rows, chunks_total, chunks_done, dead, outcomes, counts, error)
    SELECT {_ID}, queue, task, '{OWNER}',
        CASE WHEN {_IS_PARTIAL} THEN 'partial' WHEN mod(k, 50) = 0 THEN 'failed' ELSE status END,
        request, plan, result, attempt, requested_at - k * step, started_at - k * step, completed_at - k * step,
        total, done, failed, written, rows, chunks_total, chunks_done, {_IS_PARTIAL}::int, outcomes, counts,
        CASE WHEN {_IS_PARTIAL} OR mod(k, 50) = 0
            THEN '{{"type": "items_failed", "message": "200 of 8000 items failed"}}'::jsonb END
    FROM jobs t, {_FROM} WHERE owner = '{TEMPLATE}'
    """,
    f"""
    INSERT INTO job_chunks (job_id, n, items, payload, state, attempts, tally, ended_at, runs)
    SELECT {_ID}, n, items, payload, CASE WHEN {_IS_PARTIAL} AND n = 0 THEN 'dead' ELSE state END, attempts, tally,
        ended_at - k * step, runs
    FROM job_chunks JOIN jobs t USING (job_id), {_FROM} WHERE owner = '{TEMPLATE}'
    """,
    # A report of a backtest is gzipped: bytes that do not compress.
    f"""
    INSERT INTO job_files (job_id, name, body)
    SELECT {_ID}, 'report.html.gz', (
        SELECT string_agg(decode(md5('report ' || i), 'hex'), '') FROM generate_series(1, {REPORT_BYTES} / 16) i)
    FROM jobs t, {_FROM} WHERE owner = '{TEMPLATE}' AND task = 'backtest.run'
    """,
    # The audit log keeps 400 days.
    f"""
    INSERT INTO audit_log (line_id, at, owner, subject, name, method, action, target, status, address, request_id)
    SELECT md5(concat_ws(' ', 'line', k, c, i)), now() - k * step, '{OWNER}', 'usr_' || md5(i::text), 'operator',
        'token', 'POST /api/v1/ingest/run-daily', md5(concat_ws(' ', 'job', k, i)), 202, '10.0.0.' || i,
        md5(concat_ws(' ', 'request', k, c, i))
    FROM generate_series(1, 60) i, {_FROM} WHERE k * step < interval '400 days'
    """,
    "VACUUM (ANALYZE)",
)


@dataclass(frozen=True, slots=True)
class Size:
    """A size of the ledger: sessions of history, and how many times the ordinary number of jobs in each."""

    name: str
    sessions: int
    copies: int = 1


def symbols(count: int) -> list[str]:
    """Return codes of so many symbols."""
    return [str(1301 + i) for i in range(count)]


def daily_chunks(count: int, *, slots: int = 4) -> list[Chunk]:
    """Return the chunks of a day of days and minutes, as the product plans them."""
    planned = [
        chunk
        for interval in (Interval.D1, Interval.M1)
        for chunk in plan_chunks(interval, symbols(count), [_SESSION], capabilities=SPEC.capabilities, slots=slots)
    ]
    return [Chunk(str(n), chunk.items, chunk.payload()) for n, chunk in enumerate(planned)]


async def fill(history: JobHistory, url: str, *, size: Size, before: Size | None, count: int) -> None:
    """Fill a ledger from a smaller size on: the first session by the product, the others as its copies."""
    if before is None:
        await _write_first_session(history, count)
    is_longer = before is None or before.sessions < size.sessions
    words = {
        "first": before.sessions + 1 if before and is_longer else 1,
        "last": size.sessions,
        "copy": 1 if before is None or is_longer else before.copies + 1,
        "copies": size.copies,
    }
    await asyncio.to_thread(_copy, url, words)


def _copy(url: str, words: Mapping[str, int]) -> None:
    with connect(url) as connection:
        for statement in _COPIES:
            connection.execute(statement.encode(), words)


def connect(url: str) -> "psycopg.Connection[Any]":
    """Return a connection of the benchmark's own, which commits each statement."""
    text = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(text, autocommit=True, cursor_factory=psycopg.ClientCursor)


async def _write_first_session(history: JobHistory, count: int) -> None:
    await write_job(history, "ingest.run_daily", "ingest", daily_chunks(count))
    for task, queue, jobs, chunks, items, result_bytes in _BESIDE:
        for _ in range(jobs):
            each = [Chunk(str(n), tuple(symbols(items)), {"interval": "1d"}) for n in range(chunks)]
            await write_job(history, task, queue, each, result_bytes=result_bytes)


async def write_job(history: JobHistory, task: str, queue: str, chunks: list[Chunk], *, result_bytes: int = 0) -> None:
    """Write a job from its admission to its end."""
    request = {"intervals": {"1d": 1, "1m": 1}, "market": "TSE_ALL", "session": _SESSION.isoformat(), "note": task}
    draft = Job(uuid4().hex, queue, task, TEMPLATE, request)
    await history.admit(draft, Terms(uuid4().hex))
    result = {"text": uuid4().hex * (result_bytes // 32)} if result_bytes else None
    await history.save_plan(draft.job_id, {"provider": "synthetic", "session": "2025-11-04"}, chunks, result=result)
    ended = [end_chunk(chunk) for chunk in chunks]
    for chunk in ended:
        await history.save_chunk(draft.job_id, chunk)
    await history.save_final(end_job(draft, ended))


def end_chunk(chunk: Chunk) -> Chunk:
    """Return a chunk as it ends: one symbol in fifty had no trades, which its tally notes."""
    items = len(chunk.items)
    notes = tuple(ItemNote(item, "no_trades") for item in chunk.items[::50])
    outcomes = {"ok": items - len(notes), "no_trades": len(notes)}
    run = ChunkRun(1, "worker-main@kaboom-celery-worker:1-3f2a/3:57", _NOW, _NOW, "done", settled=items)
    tally = Tally(items, items, 0, items, items * 330, outcomes, {"flag_tick": 3}, notes)
    return replace(chunk, state=ChunkState.DONE, attempts=1, tally=tally, runs=(run,))


def end_job(job: Job, chunks: list[Chunk]) -> Job:
    """Return a job as it ends with its chunks."""
    items = sum(len(chunk.items) for chunk in chunks)
    return replace(
        job,
        status=JobStatus.COMPLETED,
        started_at=_NOW,
        completed_at=_NOW + timedelta(seconds=90),
        plan={"provider": "synthetic"},
        total=items,
        done=items,
        written=items,
        chunks_total=len(chunks),
        chunks_done=len(chunks),
        rows=items * 330,
        outcomes={"ok": items},
    )


@dataclass(frozen=True, slots=True)
class Took:
    """Milliseconds of a statement: the median, and the longest."""

    p50: float
    most: float


async def measure(history: JobHistory, *, count: int, rounds: int) -> dict[str, Took]:
    """Return how long each kind of statement takes on a filled ledger."""
    found: dict[str, Took] = {}
    for name, ask in {**_reads(history), **_sweeps(history)}.items():
        found[name] = await _time(ask, rounds)
    found |= await _measure_writes(history, count=count, rounds=rounds)
    found["prune a step of 100 jobs"] = await _time(lambda: history.prune("ingest", days=400), rounds)
    return found


def _reads(history: JobHistory) -> dict[str, Callable[[], Awaitable[object]]]:
    now = datetime.now(UTC)
    newest = JobQuery(QUEUES, OWNER, limit=100)
    old = (now - timedelta(days=380), "f" * 32)

    def activity(days: int) -> Awaitable[object]:
        return history.activity(ActivityQuery(QUEUES, OWNER, now - timedelta(days=days), timedelta(days=days) / 48, 48))

    return {
        "list: newest 100": lambda: history.list_jobs(newest),
        "list: newest 100 that failed": lambda: history.list_jobs(
            replace(newest, statuses=frozenset({JobStatus.FAILED}))
        ),
        "list: 100 from a year ago": lambda: history.list_jobs(replace(newest, before=old)),
        "list: a page of a search for a word that no job has": lambda: _search(
            history, replace(newest, words=("zz9999",))
        ),
        "statistics of a queue": lambda: history.stats("ingest", owner=OWNER),
        "activity of a day": lambda: activity(1),
        "activity of 30 days": lambda: activity(30),
        "dead letters": lambda: history.dead_letters(DeadLetterQuery(QUEUES, OWNER)),
    }


async def _search(history: JobHistory, query: JobQuery) -> None:
    end = await history.find_end(query, jobs=SEARCHED_JOBS)
    await history.list_jobs(replace(query, down_to=end))


def _sweeps(history: JobHistory) -> dict[str, Callable[[], Awaitable[object]]]:
    now = datetime.now(UTC)
    return {
        "sweep: unfinished jobs": lambda: history.unfinished("ingest", older_than_s=5),
        "sweep: ends of the last hour": lambda: history.recent_ends("ingest", since=now - timedelta(hours=1)),
        "sweep: counts summed up": history.tidy,
    }


async def _measure_writes(history: JobHistory, *, count: int, rounds: int) -> dict[str, Took]:
    """Time the life of a main job, from its admission to its end."""
    times = {name: list[float]() for name in ("admit", "plan", "chunk", "end")}
    chunks = daily_chunks(count)
    for _ in range(rounds):
        draft = Job(uuid4().hex, "ingest", "ingest.run_daily", OWNER, {"market": "TSE_ALL", "intervals": {"1m": 1}})
        terms, ended = Terms(draft.job_id), [end_chunk(chunk) for chunk in chunks]
        final = end_job(draft, ended)
        times["admit"].append(await _clock(lambda d=draft, t=terms: history.admit(d, t)))  # type: ignore[misc]
        times["plan"].append(await _clock(lambda d=draft: history.save_plan(d.job_id, {"chunks": 24}, chunks)))  # type: ignore[misc]
        for chunk in ended:
            times["chunk"].append(await _clock(lambda d=draft, c=chunk: history.save_chunk(d.job_id, c)))  # type: ignore[misc]
        times["end"].append(await _clock(lambda f=final, e=ended: history.save_final(f, e)))  # type: ignore[misc]
    names = ("admit a job", f"keep a plan of {len(chunks)} chunks", "keep the end of a chunk", "keep the end of a job")
    return {name: Took(median(found), max(found)) for name, found in zip(names, times.values(), strict=True)}


async def _time(ask: Callable[[], Awaitable[object]], rounds: int) -> Took:
    found = [await _clock(ask) for _ in range(rounds)]
    return Took(median(found), max(found))


async def _clock(ask: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    # A statement is ended after 5 s; it counts as those.
    with suppress(StoreError):
        await ask()
    return (time.perf_counter() - began) * 1000


_WEIGHTS = {
    "jobs": "SELECT count(*) FROM jobs",
    "chunks": "SELECT count(*) FROM job_chunks",
    "MB in all": "SELECT pg_database_size(current_database()) / 1000000",
    "MB of jobs": "SELECT pg_total_relation_size('jobs') / 1000000",
    "MB of chunks": "SELECT pg_total_relation_size('job_chunks') / 1000000",
    "MB of reports": "SELECT pg_total_relation_size('job_files') / 1000000",
    "MB of audit lines": "SELECT pg_total_relation_size('audit_log') / 1000000",
}


def weigh(url: str) -> dict[str, int]:
    """Return rows and bytes of a ledger, indexes and TOAST among them."""
    with connect(url) as connection:
        return {name: ask(connection, sql) for name, sql in _WEIGHTS.items()}


def ask(connection: "psycopg.Connection[Any]", sql: str) -> int:
    """Return the one number that a statement finds."""
    row = connection.execute(sql.encode()).fetchone()
    return int(row[0]) if row else 0
