"""The queries of the ledger: pages of jobs, dead letters, statistics of a queue, the activity of queues."""

from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Text,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONPATH
from sqlalchemy.ext.asyncio import AsyncConnection

from kaboom.jobs.model import TRANSITIONS, ChunkState, JobStatus
from kaboom.jobs.postgres.activity import (
    BEFORE,
    SHORTEST_WAIT_S,
    Activity,
    ActivityQuery,
    Finished,
    Settled,
    Waited,
    sum_up,
)
from kaboom.jobs.postgres.dead_letters import DeadLetter, DeadLetterQuery
from kaboom.jobs.postgres.port import JobQuery, LedgerStats
from kaboom.jobs.postgres.tables import JOB_CHUNKS, JOBS

# The cost does not grow with the history: triggers keep the counts, the oldest queued job is the first
# entry of an index, and the windows read the last day of an index.
STATS = text("""
WITH day AS (
    SELECT status, completed_at, extract(epoch FROM completed_at - coalesce(started_at, requested_at)) AS runtime_s
    FROM jobs WHERE queue = :queue AND (:owner IS NULL OR owner = :owner)
        AND completed_at > now() - interval '24 hours'
), by_status AS (
    SELECT status, sum(jobs)::bigint AS jobs FROM owner_job_counts
    WHERE queue = :queue AND (:owner IS NULL OR owner = :owner) GROUP BY status HAVING sum(jobs) > 0
)
SELECT
    (SELECT coalesce(jsonb_object_agg(status, jobs), '{}') FROM by_status) AS by_status,
    (SELECT extract(epoch FROM clock_timestamp() - min(requested_at)) FROM jobs
        WHERE queue = :queue AND (:owner IS NULL OR owner = :owner) AND status = 'queued')
        AS oldest_queued_s,
    count(*) FILTER (WHERE completed_at > now() - interval '1 minute') AS finished_1m,
    count(*) FILTER (WHERE completed_at > now() - interval '1 hour') AS finished_1h,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY runtime_s) AS p50_runtime_s,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY runtime_s) AS p95_runtime_s,
    avg((status = 'completed')::int) FILTER (WHERE status <> 'cancelled') AS success_rate_24h
FROM day
""").bindparams(bindparam("owner", type_=Text))

# Merges many small count changes into one row for each state; a second process finds no rows, or only newer ones.
_FOLD = """
WITH folded AS (
    DELETE FROM {table} WHERE (SELECT count(*) FROM {table}) > {most} RETURNING {columns}, jobs
)
INSERT INTO {table} SELECT {columns}, sum(jobs) FROM folded GROUP BY {columns} HAVING sum(jobs) <> 0
"""
FOLDS = (
    text(_FOLD.format(table="owner_job_counts", most=100, columns="owner, queue, status")),
    # Only the previous release reads this table; a later release drops it.
    text(_FOLD.format(table="job_counts", most=100, columns="queue, status")),
)

# An index gives the oldest ended jobs; concurrent prunes take different jobs. Triggers update the counts.
PRUNE = text("""
WITH old AS (
    SELECT job_id FROM jobs
    WHERE queue = :queue AND completed_at < clock_timestamp() - make_interval(days => :days) AND status <> ALL(:open)
    ORDER BY completed_at LIMIT :step FOR UPDATE SKIP LOCKED
)
DELETE FROM jobs USING old WHERE jobs.job_id = old.job_id RETURNING jobs.job_id
""").bindparams(bindparam("open", type_=ARRAY(Text)))
#: Any text in the request: a symbol, a market, a provider, a session.
_ANY_TEXT = cast(literal("$.** ? (@ == $given || @ == $upper || @ == $lower)"), JSONPATH)


def parse_stats(row: Row[Any]) -> LedgerStats:
    """Return the query's only row as statistics."""
    return LedgerStats(
        by_status=row.by_status,
        oldest_queued_s=_float(row.oldest_queued_s),
        finished_1m=row.finished_1m,
        finished_1h=row.finished_1h,
        p50_runtime_s=_float(row.p50_runtime_s),
        p95_runtime_s=_float(row.p95_runtime_s),
        success_rate_24h=_float(row.success_rate_24h),
    )


def _float(value: Any) -> float | None:
    return None if value is None else round(float(value), 3)


_BIN = f"greatest({BEFORE}, floor((extract(epoch FROM {{at}}) - :since_s) / :step_s))::int"
# Jobs that were active after `since`: those that ended after it, and those that have not ended.
_JOBS = "queue = ANY(:queues) AND owner = :owner AND (completed_at >= :since{open})"
_OPEN = " OR status = ANY(:open)"

_FINISHED = f"""
SELECT queue, {_BIN.format(at="completed_at")} AS bin, status, count(*) AS jobs
FROM jobs WHERE {_JOBS.format(open="")} AND status <> ALL(:open) GROUP BY 1, 2, 3
"""  # noqa: S608  the names are our own

# The items of a short job are counted from its row. If a job took longer than a bin or still runs, its items are
# counted from its chunks. There are few such jobs, but PostgreSQL cannot know that: OFFSET 0 makes it look up the
# chunks of each job instead of reading the chunks of all jobs.
_SETTLED = f"""
WITH active AS (
    SELECT job_id, queue, completed_at, done, failed,
        coalesce(extract(epoch FROM completed_at - started_at) <= :step_s, completed_at IS NOT NULL) AS is_short
    FROM jobs WHERE {_JOBS.format(open=_OPEN)}
), settled AS (
    SELECT queue, completed_at AS at, done + failed AS settled, failed FROM active WHERE is_short
    UNION ALL
    SELECT queue, chunk.ended_at, chunk.done + chunk.failed, chunk.failed FROM active, LATERAL (
        SELECT ended_at, (tally->>'done')::int AS done, (tally->>'failed')::int AS failed
        FROM job_chunks WHERE job_chunks.job_id = active.job_id AND ended_at >= :since OFFSET 0
    ) AS chunk WHERE NOT is_short
)
SELECT queue, {_BIN.format(at="at")} AS bin, sum(settled)::bigint AS settled, sum(failed)::bigint AS failed
FROM settled GROUP BY 1, 2
"""  # noqa: S608  as above

# The ledger learns when a job started only when the job ends, so a running job counts as not having waited.
_WAITED = f"""
WITH waits AS (
    SELECT queue, requested_at, CASE WHEN status <> 'queued' THEN coalesce(started_at, completed_at, requested_at) END
        AS began_at
    FROM jobs WHERE {_JOBS.format(open=_OPEN)}
), moves AS (
    SELECT queue, requested_at AS at, 1 AS step, began_at, requested_at FROM waits
    UNION ALL
    SELECT queue, began_at, -1, began_at, requested_at FROM waits WHERE began_at IS NOT NULL
), levels AS (
    SELECT queue, at, step, sum(step) OVER (PARTITION BY queue ORDER BY at, step ROWS UNBOUNDED PRECEDING) AS level
    FROM moves WHERE coalesce(began_at, clock_timestamp()) - requested_at >= make_interval(secs => {SHORTEST_WAIT_S})
)
SELECT queue, {_BIN.format(at="at")} AS bin, max(level)::int AS peak, sum(step)::int AS change FROM levels GROUP BY 1, 2
"""  # noqa: S608  as above

_PARAMETERS = (bindparam("queues", type_=ARRAY(Text)), bindparam("open", type_=ARRAY(Text)))
_OPEN_STATES = sorted(status.value for status in JobStatus if TRANSITIONS[status])


async def load_activity(connection: AsyncConnection, query: ActivityQuery) -> dict[str, Activity]:
    """Return the activity that a query asks for."""
    values: dict[str, Any] = {
        "queues": list(query.queues),
        "owner": query.owner,
        "since": query.since,
        "since_s": query.since.timestamp(),
        "step_s": query.step.total_seconds(),
        "open": _OPEN_STATES,
    }
    settled, finished, waited = [
        [dict(row._mapping) for row in await connection.execute(text(sql).bindparams(*_PARAMETERS), values)]  # noqa: SLF001  the public name of a row's mapping
        for sql in (_SETTLED, _FINISHED, _WAITED)
    ]
    return sum_up(
        query,
        [Settled(**row) for row in settled],
        [Finished(**row) for row in finished],
        [Waited(**row) for row in waited],
    )


def mentions(word: str) -> ColumnElement[bool]:
    """Return the condition that a job mentions a word, in any case.

    A job mentions a word if its id begins with the word, if its task, market or error message contains the word, or if
    a text of its request equals the word.
    """
    contained = (JOBS.c.task, JOBS.c.request["market"].astext, JOBS.c.error["message"].astext)
    words = func.jsonb_build_object("given", word, "upper", word.upper(), "lower", word.lower())
    return or_(
        JOBS.c.job_id.startswith(word.lower(), autoescape=True),
        *(text.icontains(word, autoescape=True) for text in contained),
        func.jsonb_path_exists(JOBS.c.request, _ANY_TEXT, words),
    )


#: The version of a row.
VERSION: ColumnElement[str] = literal_column("jobs.xmin::text").label("version")


def build_page(query: JobQuery) -> Select[Any]:
    """Return the statement that finds `job_id` and `version` of the jobs that a query asks for, newest first."""
    page = _merge_queues(query)
    return page.with_only_columns(page.selected_columns.job_id, page.selected_columns.version)


def build_end(query: JobQuery, *, jobs: int) -> Select[Any]:
    """Return the statement that finds the sort key of the `jobs`-th job of a query without its words."""
    page = _merge_queues(replace(query, words=(), limit=jobs))
    place = page.with_only_columns(page.selected_columns.requested_at, page.selected_columns.job_id)
    return place.limit(1).offset(jobs - 1)


def _merge_queues(query: JobQuery) -> Select[Any]:
    pages = [_page_of_queue(query, queue) for queue in query.queues]
    if len(pages) == 1:
        return pages[0]
    # The index is sorted by time within each queue, not across queues: the newest jobs of each queue are merged.
    merged = union_all(*(select(page.subquery()) for page in pages)).subquery()
    return select(merged).order_by(merged.c.requested_at.desc(), merged.c.job_id.desc()).limit(query.limit)


def _page_of_queue(query: JobQuery, queue: str) -> Select[Any]:
    key = (JOBS.c.requested_at, JOBS.c.job_id)
    statement = select(*key, VERSION).where(JOBS.c.queue == queue, JOBS.c.owner == query.owner)
    if query.statuses:
        statement = statement.where(JOBS.c.status.in_(sorted(query.statuses)))
    if query.tasks:
        statement = statement.where(JOBS.c.task.in_(sorted(query.tasks)))
    if query.since:
        statement = statement.where(JOBS.c.requested_at >= query.since)
    if query.until:
        statement = statement.where(JOBS.c.requested_at < query.until)
    if query.is_retried is not None:
        children = _children()
        statement = statement.where(children.exists() if query.is_retried else ~children.exists())
    if query.parent_id:
        statement = statement.where(JOBS.c.parent_id == query.parent_id)
    if query.before:
        statement = statement.where(tuple_(*key) < query.before)
    if query.down_to:
        statement = statement.where(tuple_(*key) >= query.down_to)
    statement = statement.where(*(mentions(word) for word in query.words))
    return statement.order_by(*(column.desc() for column in key)).limit(query.limit)


def _children() -> Select[Any]:
    """Return the statement that finds the retries of a job, newest first."""
    child = JOBS.alias("child")
    retries = select(child.c.job_id).where(child.c.parent_id == JOBS.c.job_id)
    return retries.order_by(child.c.requested_at.desc()).correlate(JOBS)


def build_dead_letters(query: DeadLetterQuery) -> Select[Any]:
    """Return the statement that finds the dead letters of a query."""
    children, place = _children(), (JOB_CHUNKS.c.ended_at, JOB_CHUNKS.c.job_id, JOB_CHUNKS.c.n)
    newest = children.limit(1).scalar_subquery()
    statement = (
        select(
            *(JOBS.c.job_id, JOBS.c.queue, JOBS.c.task, JOB_CHUNKS.c.n, JOB_CHUNKS.c.attempts),
            func.jsonb_array_length(JOB_CHUNKS.c["items"]).label("size"),
            JOB_CHUNKS.c.tally["failed"].as_integer().label("failed"),
            func.coalesce(JOB_CHUNKS.c.tally["cause"].as_string(), "").label("cause"),
            JOB_CHUNKS.c.ended_at.label("given_up_at"),
            newest.label("retried_as"),
        )
        .join(JOBS, JOBS.c.job_id == JOB_CHUNKS.c.job_id)
        .where(JOB_CHUNKS.c.state == ChunkState.DEAD.value, JOB_CHUNKS.c.ended_at.is_not(None))
        .where(JOBS.c.owner == query.owner, JOBS.c.queue.in_(query.queues))
    )
    if query.since:
        statement = statement.where(JOB_CHUNKS.c.ended_at >= query.since)
    if query.is_retried is not None:
        statement = statement.where(children.exists() if query.is_retried else ~children.exists())
    if query.before:
        statement = statement.where(tuple_(*place) < query.before)
    return statement.order_by(*(column.desc() for column in place)).limit(query.limit)


def parse_dead_letter(row: Row[Any]) -> DeadLetter:
    """Return the dead letter that a row holds."""
    values = dict(row._mapping)  # noqa: SLF001  the public name of a row's mapping, in SQLAlchemy's words
    return DeadLetter(items=values.pop("size"), **values)
