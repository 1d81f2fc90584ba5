"""OpenAPI examples of workers, statistics, dead letters, alerts, settings, providers and changes."""

from typing import Any

from kaboom.jobs.api.examples import JOB, QUEUE_STATS

_CHUNK = {
    "queue": "ingest",
    "job_id": "dc84d88371794773b929d2957f6a663b",
    "chunk": "15",
    "slot": 2,
    "since": "2025-11-04T07:00:32.818000Z",
}
WORKERS: dict[str, Any] = {
    "items": [
        {
            "name": "worker-main@host:812-3fa9",
            "state": "online",
            "host": "host",
            "queues": ["ingest", "market_data"],
            "slots": 4,
            "busy": 1,
            "chunks": [_CHUNK],
            "memory_bytes": 412_000_256,
            "started_at": "2025-11-04T05:58:00Z",
            "seen_at": "2025-11-04T07:00:34Z",
            "release": None,
        }
    ]
}

STATS: dict[str, Any] = {
    **{name: QUEUE_STATS[name] for name in ("by_status", "waiting_messages", "oldest_queued_s")},
    "running_chunks": 4,
    "workers_online": 1,
    "slots_online": 4,
    "queues": [QUEUE_STATS],
}
SERIES: dict[str, Any] = {
    "step_min": 15,
    "begins_at": ["2025-11-04T07:15:00Z", "2025-11-04T07:30:00Z"],
    "queues": [
        {
            "queue": "ingest",
            "settled": [0, 1651],
            "failed": [0, 37],
            "waiting": [0, 2],
            "finished": {"completed": [0, 0], "partial": [0, 1], "failed": [0, 0], "cancelled": [0, 0]},
        }
    ],
}

_DEAD_JOB = "/api/v1/ingest/jobs/dc84d88371794773b929d2957f6a663b"
DEAD_LETTERS: dict[str, Any] = {
    "items": [
        {
            "queue": "ingest",
            "job_id": "dc84d88371794773b929d2957f6a663b",
            "task": "ingest.run_daily",
            "chunk": "15",
            "items": 46,
            "failed": 23,
            "attempts": 3,
            "cause": "given up after 3 attempts: in 3 of 3 attempts the worker process died",
            "given_up_at": "2025-11-04T07:01:12.204000Z",
            "retried_as": None,
            "links": {"job": _DEAD_JOB, "chunks": f"{_DEAD_JOB}/chunks", "retry": f"{_DEAD_JOB}/retry"},
        }
    ],
    "next_cursor": None,
}

ALERTS: dict[str, Any] = {
    "items": [
        {
            "kind": "ingest_missed",
            "severity": "page",
            "title": "A session's daily ingest was not complete by 18:00 JST",
            "about": "TSE_PRIME 1m",
            "detail": "the newest session is not complete, 3.2 h after it was due",
            "since": "2025-11-04T09:00:00Z",
            "command": "kaboom ingest backfill --market TSE_PRIME --interval 1m",
            "link": "/api/v1/coverage/sessions?market=TSE_PRIME&interval=1m",
        }
    ],
    "unknown": [],
    "verdict": "page",
    "checked_at": "2025-11-04T12:12:00Z",
}

SETTINGS: dict[str, Any] = {
    "items": [
        {"name": "KABOOM_PROVIDER", "value": "jquants", "is_secret": False, "is_default": False, "warning": None},
        {"name": "JQUANTS_API_KEY", "value": "***", "is_secret": True, "is_default": False, "warning": None},
    ]
}
PROVIDERS: dict[str, Any] = {
    "items": [
        {
            "name": "jquants",
            "summary": "J-Quants API v2 of the exchange's group, with your own key; for personal use.",
            "is_real": True,
            "is_default": True,
            "is_on": True,
            "lacking": None,
            "needs": ["JQUANTS_API_KEY"],
            "settings": ["JQUANTS_API_KEY", "JQUANTS_BASE_URL", "JQUANTS_BULK"],
            "markets": ["TSE_PRIME", "TSE_STANDARD", "TSE_GROWTH", "INDEX"],
            "intervals": ["1m", "5m", "15m", "1h", "1d"],
            "reach_days": {"1m": 730, "5m": 730, "15m": 730, "1h": 730},
            "is_live": False,
            "delay_s": 3600.0,
            "has_master": True,
            "is_adjusted": False,
            "requests_per_minute": 60,
            "requests_per_second": None,
            "concurrency": 4,
            "terms": {
                "url": "https://jpx-jquants.com/",
                "text": "J-Quants is for the personal use of the person who holds the key: no redistribution, no"
                " business use. Terms: https://jpx-jquants.com/",
            },
            "is_paused": True,
            "paused_until": "2025-11-04T07:05:00Z",
            "pause_reason": "jquants answered 429",
        }
    ]
}
CHANGE = {name: JOB[name] for name in ("queue", "job_id", "task", "status", "health", "progress")}
