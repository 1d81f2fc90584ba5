"""Build Celery messages without Celery: protocol 2 in kombu's Redis envelope.

`apply_async` takes 340 to 480 µs of CPU, and the API would have to import Celery (250 ms); this takes 5 µs.
`tests/acceptance/workers/test_message.py` compares the message, key by key, with that of the pinned kombu, and lets a
standard worker run it (docs/decisions/0005).

Task events of whole jobs, with the job's id, are for monitors such as Flower.
Celery's own events are about messages, that is, about the plan step and each chunk, which have other ids.
"""

import base64
import os
import socket
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from kaboom.jobs.model import Job, JobStatus
from kaboom.jobs.redis.celery_results import describe_failure, summarise

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


_KINDS = {
    JobStatus.RUNNING: "started",
    JobStatus.COMPLETED: "succeeded",
    JobStatus.PARTIAL: "succeeded",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "revoked",
}


@dataclass(frozen=True, slots=True)
class JobEvent:
    """The event that a job has started or ended; `node` is the worker that reports it."""

    job: Job
    node: str

    @property
    def queue(self) -> str:
        """The queue of the job."""
        return self.job.queue

    def channel(self, database: int) -> str:
        """Return the pub/sub channel of kombu's Redis transport for the event, in a database of the broker."""
        return f"{KEY_PREFIX}/{database}.celeryev/task.{_KINDS[self.job.status]}"

    def message(self) -> bytes:
        """Return the event in kombu's envelope."""
        routing_key = f"task.{_KINDS[self.job.status]}"
        return pack(self._fields(), {"hostname": self.node}, mode=1, exchange="celeryev", routing_key=routing_key)

    def _fields(self) -> dict[str, Any]:
        job = self.job
        common = {
            "type": f"task-{_KINDS[job.status]}",
            "uuid": job.job_id,
            "root_id": job.job_id,
            "name": job.task,
            "args": "()",
            "kwargs": repr({"job_id": job.job_id}),
            "routing_key": job.queue,
            "hostname": self.node,
            "timestamp": time.time(),
        }
        return common | self._outcome()

    def _outcome(self) -> dict[str, Any]:
        job = self.job
        if job.status is JobStatus.FAILED:
            return {"exception": f"JobFailed({describe_failure(job)!r})", "traceback": None}
        if job.status is JobStatus.CANCELLED:
            return {"terminated": False, "signum": None, "expired": False}
        if not job.status.is_final:
            return {}
        runtime_s = (job.completed_at - job.started_at).total_seconds() if job.completed_at and job.started_at else 0.0
        return {"result": repr(summarise(job)), "runtime": runtime_s}
