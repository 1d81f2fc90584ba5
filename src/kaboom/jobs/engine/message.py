"""Build Celery messages without Celery: protocol 2 in kombu's Redis envelope.

`apply_async` takes 340 to 480 µs of CPU, and the API would have to import Celery (250 ms); this takes 5 µs.
`tests/integration/workers/test_message.py` compares the message, key by key, with that of the pinned kombu, and lets a
standard worker run it (docs/decisions/0005).
"""

import base64
import os
import socket
import uuid
from collections.abc import Mapping
from typing import Any

import orjson

#: Separates the broker's keys from Kaboom's keys in the same database.
KEY_PREFIX = "celery:"
_ORIGIN = f"{os.getpid()}@{socket.gethostname()}"
_NO_ORIGIN: Mapping[str, str] = {}


def list_key(queue: str) -> str:
    """Return the Redis list that holds a queue's messages."""
    return f"{KEY_PREFIX}{queue}"


def build_message(
    task: str,
    kwargs: Mapping[str, Any],
    *,
    queue: str,
    task_id: str,
    shadow: str | None = None,
    origin: Mapping[str, str] = _NO_ORIGIN,
) -> bytes:
    """Return one message that a Celery worker on `queue` runs as `task(**kwargs)`.

    The task finds `origin`, such as the request's id, in its `request.headers`. Logs and monitors show the task under
    the name `shadow`.
    """
    content = [[], dict(kwargs), {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    headers = _headers(task, kwargs, task_id, shadow) | dict(origin)
    return pack(content, headers, mode=2, exchange="", routing_key=queue, correlation_id=task_id, reply_to="")


def pack(
    content: object, headers: Mapping[str, Any], *, mode: int, exchange: str, routing_key: str, **properties: str
) -> bytes:
    """Return a content in kombu's Redis envelope; `mode` is 2 if the message must survive a restart of its broker."""
    envelope = {
        "body": base64.b64encode(orjson.dumps(content)).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": {
            **properties,
            "delivery_mode": mode,
            "delivery_info": {"exchange": exchange, "routing_key": routing_key},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        },
    }
    return orjson.dumps(envelope)


def _headers(task: str, kwargs: Mapping[str, Any], task_id: str, shadow: str | None) -> dict[str, Any]:
    return {
        "lang": "py",
        "task": task,
        "id": task_id,
        "shadow": shadow,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": task_id,
        "parent_id": None,
        "argsrepr": "()",
        "kwargsrepr": repr(dict(kwargs)),
        "origin": _ORIGIN,
        # Results are those of jobs, which Kaboom writes itself (kaboom.jobs.redis.celery_results).
        "ignore_result": True,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }
