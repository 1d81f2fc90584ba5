"""The queries behind the activity of queues."""

from typing import Any

from sqlalchemy import Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from kaboom.jobs.model import TRANSITIONS, JobStatus
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
