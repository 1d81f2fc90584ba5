"""OpenAPI examples of schedules: the daily ingest, enabled, after it has fired."""

from typing import Any

_ID = "5b0f7f0f9c1d4c0bb4a3c0a7e2f6d1aa"
_JOB = "dc84d88371794773b929d2957f6a663b"
_REQUEST = {"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 5000}

NEW: dict[str, Any] = {
    "name": "daily ingest",
    "request": {"intervals": {"1m": 1}, "market": "TSE_PRIME"},
    "session_at": "16:35",
    "missed": "latest",
}
CHANGE: dict[str, Any] = {"is_enabled": True}
SCHEDULE: dict[str, Any] = {
    "schedule_id": _ID,
    "name": "daily ingest",
    "task": "ingest.run_daily",
    "request": _REQUEST,
    "kind": "session",
    "session_at": "16:35",
    "cron": None,
    "missed": "latest",
    "max_late_h": 72,
    "is_enabled": True,
    "next_at": "2025-11-05T07:35:00Z",
    "last_at": "2025-11-04T07:35:00Z",
    "last_job_id": _JOB,
    "created_at": "2025-10-31T02:11:09Z",
    "updated_at": "2025-10-31T02:14:40Z",
}
FIRING: dict[str, Any] = {
    "due_at": "2025-11-04T07:35:00Z",
    "outcome": "fired",
    "fired_at": "2025-11-04T07:35:00.412000Z",
    "job_id": _JOB,
    "is_manual": False,
    "reason": "",
}
LISTED: dict[str, Any] = SCHEDULE | {"last_firing": FIRING}
DETAIL: dict[str, Any] = SCHEDULE | {
    "next_due": [f"2025-11-{day:02}T07:35:00Z" for day in (5, 6, 7, 10, 11)],
    "firings": [FIRING],
}
