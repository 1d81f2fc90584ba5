"""The examples in OpenAPI: a job that is half done, with its failures, chunks and log."""

from collections.abc import Mapping
from typing import Any

from kaboom.jobs.queues import job_links

_ID = "dc84d88371794773b929d2957f6a663b"

JOB: dict[str, Any] = {
    "job_id": _ID,
    "status": "running",
    "queue": "ingest",
    "task": "ingest.run_daily",
    "market": "TSE_PRIME",
    "intervals": {"1m": 1},
    "requested_at": "2025-11-04T07:00:00Z",
    "started_at": "2025-11-04T07:00:01Z",
    "completed_at": None,
    "attempt": 1,
    "parent_id": None,
    "progress": {
        "done": 820,
        "total": 1651,
        "failed": 3,
        "cancelled": 0,
        "percent": 49.8,
        "rate": 310.5,
        "eta_s": 2.7,
        "eta_low_s": 2.2,
        "eta_high_s": 3.3,
        "rows": 214_380,
        "paused_until": None,
        "pause_reason": None,
    },
    "result": {
        "chunks": 36,
        "session": "2025-11-04",
        "is_final": True,
        "provider": "synthetic",
        "universe": {"source": "jpx", "as_of": "2025-10-31", "age_days": 4, "market": "TSE_PRIME", "symbols": 1651},
        "sessions": {"1m": {"count": 1, "first": "2025-11-04", "last": "2025-11-04"}},
        "rows": 214_380,
        "outcomes": {"ok": 790, "no_trades": 1, "not_listed": 29, "provider_error": 3},
        "counts": {"flag_stale": 3510},
    },
    "error": None,
    "health": "ok",
    "request": {"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 500},
    "links": job_links("ingest", _ID),
    "lacks": [],
}


def show_job(queue: str, task: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the example of a job of a queue; for a queue other than that of `JOB` it has no result yet."""
    if queue == JOB["queue"]:
        return JOB
    shown = {"queue": queue, "task": task, "request": dict(request), "links": job_links(queue, _ID)}
    return JOB | shown | {"market": None, "intervals": None, "result": None}


JOB_PAGE: dict[str, Any] = {
    "items": [JOB | {"request": None}],
    "next_cursor": "WyIyMDI1LTExLTA0VDA3OjAwOjAwKzAwOjAwIiwiZGM4NGQ4ODM3MTc5NDc3M2I5MjlkMjk1N2Y2YTY2M2IiXQ",
    "searched_back_to": None,
}

FAILURE_PAGE: dict[str, Any] = {
    "items": [
        {
            "item": "7203",
            "interval": "1m",
            "outcome": "provider_error",
            "message": "the provider answered 502",
            "attempts": 3,
        }
    ],
    "total": 3,
    "next_cursor": "1",
}

_WORKER = "worker-main@host:812-3fa9"

CHUNK_PAGE: dict[str, Any] = {
    "items": [
        {
            "n": "15",
            "state": "done",
            "interval": "1m",
            "items": 46,
            "settled": 46,
            "failed": 1,
            "attempts": 2,
            "error": "",
            "runs": [
                {
                    "run": 1,
                    "worker": _WORKER,
                    "slot": 1,
                    "started_at": "2025-11-04T07:00:12.004000Z",
                    "ended_at": "2025-11-04T07:00:32.204000Z",
                    "ending": "expired",
                    "settled_before": 0,
                    "settled": 23,
                    "failed": 0,
                    "reason": "",
                    "paused_until": None,
                },
                {
                    "run": 2,
                    "worker": _WORKER,
                    "slot": 2,
                    "started_at": "2025-11-04T07:00:32.818000Z",
                    "ended_at": "2025-11-04T07:00:49.077000Z",
                    "ending": "done",
                    "settled_before": 23,
                    "settled": 23,
                    "failed": 1,
                    "reason": "",
                    "paused_until": None,
                },
            ],
        }
    ],
    "total": 36,
    "pauses": [
        {
            "begins_at": "2025-11-04T07:00:33.010000Z",
            "ends_at": "2025-11-04T07:00:45.010000Z",
            "reason": "the provider answered 429",
        }
    ],
    "next_cursor": "1",
}

LOG_PAGE: dict[str, Any] = {
    "items": [
        {
            "id": "1762239601512-0",
            "at": "2025-11-04T07:00:01.204000Z",
            "level": "info",
            "event": "job_planned",
            "fields": {"chunk": "plan", "chunks": 36, "accepted": True},
        },
        {
            "id": "1762239603012-0",
            "at": "2025-11-04T07:00:02.733000Z",
            "level": "warning",
            "event": "chunk_broken",
            "fields": {"chunk": "7", "error": "StoreError: the disk was full", "attempt": 1},
        },
    ],
    "after": "1762239603012-0",
    "has_more": False,
}

QUEUE_STATS: dict[str, Any] = {
    "queue": "ingest",
    "by_status": {
        "queued": 0,
        "running": 1,
        "cancelling": 0,
        "completed": 41,
        "partial": 1,
        "failed": 0,
        "cancelled": 2,
    },
    "waiting_messages": 9,
    "oldest_queued_s": None,
    "throughput_1m": 0,
    "throughput_1h": 4,
    "p50_runtime_s": 4.1,
    "p95_runtime_s": 9.7,
    "success_rate_24h": 0.976,
    "workers_online": 1,
    "slots_online": 4,
}
