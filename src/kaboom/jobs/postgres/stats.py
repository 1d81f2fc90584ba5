"""The queries behind a queue's statistics."""

from typing import Any

from sqlalchemy import Row, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from kaboom.jobs.postgres.port import LedgerStats

# The cost does not grow with the history: triggers keep the counts (migration 0013), the oldest queued job is the first
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
