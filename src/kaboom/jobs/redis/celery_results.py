"""Results of jobs in the format of Celery's Redis backend: `AsyncResult(job_id)` of any Celery client reads them.

Kaboom writes them itself, so that the API, which does not load Celery, can write them, too.
"""

from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Any, Protocol

import orjson
import structlog

from kaboom.drivers.redis.client import Redis, redis_errors
from kaboom.errors import StoreError
from kaboom.jobs.model import Job, JobStatus
from kaboom.jobs.redis import keys

#: How long a result is kept, equal to `result_expires` and `result_failure_expires` of the Celery application.
RESULT_EXPIRES_S = 86_400
FAILURE_EXPIRES_S = 604_800
#: After a failed write no other write is tried for this long: a server that hangs would delay each job for seconds.
_PAUSE_S = 5.0
#: If a process dies while it rebuilds results, another process takes over after this long.
_REBUILD_S = 60

_STATES = {
    JobStatus.COMPLETED: "SUCCESS",
    JobStatus.PARTIAL: "SUCCESS",
    JobStatus.FAILED: "FAILURE",
    JobStatus.CANCELLED: "REVOKED",
}

_log = structlog.get_logger(__name__)


class JobResults(Protocol):
    """The results of jobs that Celery clients look up.

    `forget` and both methods of a rebuild raise StoreError if the server is unavailable.
    """

    async def write_started(self, job: Job) -> None:
        """Show a job as STARTED unless its result is already there; do nothing if the server is unavailable."""
        ...

    async def write_end(self, job: Job) -> bool:
        """Write the result of a final job; return False if the write must be tried again."""
        ...

    async def forget(self, job_id: str) -> None:
        """Drop the result of a job."""
        ...

    async def claim_rebuild(self) -> bool:
        """Return whether the results are lost and this process has the task to write them again."""
        ...

    async def end_rebuild(self) -> None:
        """Record that all results are written."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class NoResults:
    """`JobResults` that writes nothing: for DISABLE_CELERY, or a result backend that is not Redis."""

    async def write_started(self, job: Job) -> None:
        """Do nothing."""

    async def write_end(self, job: Job) -> bool:
        """Do nothing; return True, so that nothing is tried again."""
        return True

    async def forget(self, job_id: str) -> None:
        """Do nothing."""

    async def claim_rebuild(self) -> bool:
        """Return False: no results can be lost."""
        return False

    async def end_rebuild(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""


class CeleryResults:
    """`JobResults` on the Redis of Celery's result backend."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._paused_until = 0.0

    async def write_started(self, job: Job) -> None:
        meta = _build_meta(job, "STARTED", {"status": JobStatus.RUNNING.value})
        key, payload = keys.celery_result(job.job_id), orjson.dumps(meta)
        # NX: a process that was frozen here must not overwrite the end of the job.
        await self._try(lambda: self._redis.set(key, payload, ex=FAILURE_EXPIRES_S, nx=True))

    async def write_end(self, job: Job) -> bool:
        """Write the result of a final job, and wake the clients that wait for it."""
        state, key = _STATES[job.status], keys.celery_result(job.job_id)
        payload = orjson.dumps(_build_meta(job, state, _build_result(job)))
        expires_s = lifetime_s(job)

        async def write() -> None:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.set(key, payload, ex=expires_s)
                pipe.publish(key, payload)
                await pipe.execute()

        return await self._try(write)

    async def forget(self, job_id: str) -> None:
        with redis_errors():
            await self._redis.delete(keys.celery_result(job_id))

    async def claim_rebuild(self) -> bool:
        """Return whether the mark was lost with the results, and this process is the first to see that."""
        with redis_errors():
            return bool(await self._redis.set(keys.RESULTS, "rebuilding", nx=True, ex=_REBUILD_S))

    async def end_rebuild(self) -> None:
        with redis_errors():
            await self._redis.set(keys.RESULTS, "1")

    async def close(self) -> None:
        await self._redis.aclose()

    async def _try(self, write: Callable[[], Awaitable[Any]]) -> bool:
        if monotonic() < self._paused_until:
            return False
        try:
            with redis_errors():
                await write()
        except StoreError as e:
            self._paused_until = monotonic() + _PAUSE_S
            _log.warning("celery_result_delayed", reason=e.message)
            return False
        return True


def lifetime_s(job: Job) -> int:
    """Return how long the result of a final job is kept after its end."""
    return FAILURE_EXPIRES_S if job.status is JobStatus.FAILED else RESULT_EXPIRES_S


def _build_meta(job: Job, state: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON that Celery 5.7 stores for a task with `result_extended`."""
    return {
        "status": state,
        "result": result,
        "traceback": None,
        "children": [],
        "date_done": job.completed_at.isoformat() if job.completed_at else None,
        "name": job.task,
        "args": [],
        "kwargs": {"job_id": job.job_id},
        "worker": None,
        "retries": 0,
        "queue": job.queue,
        "task_id": job.job_id,
    }


def _build_result(job: Job) -> dict[str, Any]:
    if job.status is JobStatus.FAILED:
        # Without a module the client creates an exception class with this name, and needs no code of Kaboom.
        return {"exc_type": "JobFailed", "exc_message": [describe_failure(job)], "exc_module": None}
    if job.status is JobStatus.CANCELLED:
        message = f"job {job.job_id} was cancelled: {job.settled} of {job.total} done or failed before"
        return {"exc_type": "TaskRevokedError", "exc_message": [message], "exc_module": "celery.exceptions"}
    return summarise(job)


def summarise(job: Job) -> dict[str, Any]:
    """Return the result of a completed or partial job; its `result` is the same as in the API."""
    names = ("job_id", "task", "queue", "total", "done", "failed", "cancelled", "rows")
    fields = {"status": job.status.value, **{name: getattr(job, name) for name in names}}
    return fields | {"outcomes": dict(job.outcomes), "counts": dict(job.counts), "result": job.shown_result}


def describe_failure(job: Job) -> str:
    """Return why a job failed, in one line."""
    outcomes = ", ".join(f"{outcome} {count}" for outcome, count in sorted(job.outcomes.items()))
    counts = f"{job.failed} of {job.total} failed" + (f" ({outcomes})" if outcomes else "")
    if not job.error:
        return counts
    cause = f"{job.error.get('type', 'error')}: {job.error.get('message', '')}"
    return f"{cause} ({outcomes})" if outcomes else cause
