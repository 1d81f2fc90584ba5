"""OpenAPI examples of notifications: a rule for failed jobs, its channel, and a dead message."""

from typing import Any

_CHANNEL = "9d8e2f3b4c5d6e7f80903f1c0f5a6b4a"
_RULE = "5c6d7e8f80903f1c0f5a6b4a9d8e2f3b"
_JOB = "dc84d88371794773b929d2957f6a663b"
_AT = "2026-11-25T07:35:00Z"
_MESSAGE = "msg_0b6f3c1d9c8e4f5aa7d2b1e0c9f8a7d6"

NEW_CHANNEL: dict[str, Any] = {
    "name": "data-ops",
    "kind": "apprise",
    "url": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#data-ops",
}
CHANNEL_CHANGE: dict[str, Any] = {"is_enabled": False}
CHANNEL: dict[str, Any] = {
    "id": _CHANNEL,
    "name": "data-ops",
    "kind": "apprise",
    "service": "slack",
    "host": "",
    "is_enabled": True,
    "failures": 0,
    "rests_until": None,
    "created_at": _AT,
    "updated_at": _AT,
}
NEW_RULE: dict[str, Any] = {
    "name": "A job failed or is partial",
    "channel_id": _CHANNEL,
    "events": ["job_ended"],
    "only": {"status": ["failed", "partial"]},
    "quiet_from": "22:00",
    "quiet_until": "07:00",
    "language": "ja",
}
RULE_CHANGE: dict[str, Any] = {"is_enabled": False}
RULE: dict[str, Any] = {
    "id": _RULE,
    **NEW_RULE,
    "digest_at": None,
    "digest_minutes": None,
    "deadline": None,
    "is_enabled": True,
    "sent_7d": 5,
    "created_at": _AT,
    "updated_at": _AT,
}
EVENT: dict[str, Any] = {
    "id": f"job_ended:{_JOB}",
    "kind": "job_ended",
    "at": _AT,
    "title": "Job dc84d883 partial: ingest.run_daily",
    "data": {
        "job_id": _JOB,
        "queue": "ingest",
        "task": "ingest.run_daily",
        "market": "TSE_PRIME",
        "status": "partial",
        "done": 1589,
        "failed": 13,
        "total": 1602,
        "error": "13 of 1602 items failed; first cause: the provider answered 503",
    },
}
MESSAGE: dict[str, Any] = {
    "id": _MESSAGE,
    "channel_id": _CHANNEL,
    "rule_id": _RULE,
    "rule_name": "A job failed or is partial",
    "status": "dead",
    "attempts": 10,
    "last_status": 503,
    "last_error": "the receiver answered 503",
    "took_ms": 84,
    "created_at": _AT,
    "next_attempt_at": None,
    "ended_at": "2026-11-25T23:40:12Z",
    "count": 1,
    "events": [EVENT],
}
ALERTS: dict[str, Any] = {
    "version": "4",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "KaboomNoWorker", "severity": "page"},
            "annotations": {"summary": "no worker is online", "description": "3 messages wait"},
            "startsAt": "2026-11-25T07:35:00Z",
            "fingerprint": "9a1f6b4a9d8e2f3b",
        }
    ],
}
NOTED: dict[str, Any] = {"alerts": 1}
