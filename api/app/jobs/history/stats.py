"""The one query behind a queue's statistics."""

from typing import Any

from sqlalchemy import Row, text

from app.jobs.history.port import LedgerStats

# Every window reads an index range: by status for the open jobs, by completion for the last day.
STATS = text("""
WITH open_jobs AS (
    SELECT status, requested_at FROM jobs
    WHERE queue = :queue AND status IN ('queued', 'running', 'cancelling')
), day AS (
    SELECT status, completed_at, extract(epoch FROM completed_at - coalesce(started_at, requested_at)) AS runtime_s
    FROM jobs WHERE queue = :queue AND completed_at > now() - interval '24 hours'
), by_status AS (
    SELECT status, count(*) AS jobs FROM jobs WHERE queue = :queue GROUP BY status
)
SELECT
    (SELECT coalesce(jsonb_object_agg(status, jobs), '{}') FROM by_status) AS by_status,
    (SELECT extract(epoch FROM clock_timestamp() - min(requested_at)) FROM open_jobs WHERE status = 'queued')
        AS oldest_queued_s,
    count(*) FILTER (WHERE completed_at > now() - interval '1 minute') AS finished_1m,
    count(*) FILTER (WHERE completed_at > now() - interval '1 hour') AS finished_1h,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY runtime_s) AS p50_runtime_s,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY runtime_s) AS p95_runtime_s,
    avg((status = 'completed')::int) FILTER (WHERE status <> 'cancelled') AS success_rate_24h
FROM day
""")


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
