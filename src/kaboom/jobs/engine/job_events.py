"""Celery's task events of whole jobs, with the job's id, for monitors such as Flower.

Celery's own events are about messages, that is, about the plan step and each chunk, which have other ids.
"""

import time
from dataclasses import dataclass
from typing import Any

from kaboom.jobs.engine.message import KEY_PREFIX, pack
from kaboom.jobs.model import Job, JobStatus
from kaboom.jobs.redis.celery_results import describe_failure, summarise

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
