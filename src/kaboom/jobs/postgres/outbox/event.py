"""The body of the webhook for a job's end: only what its receiver needs to ask for the rest."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

import orjson

from kaboom.jobs.model import Job
from kaboom.jobs.queues import jobs_path


def encode_event(job: Job) -> str:
    """Return the body for a final job; every attempt sends the same."""
    here = f"{jobs_path(job.queue)}/{job.job_id}"
    ended_at = job.completed_at or datetime.now(UTC)
    event = {
        "type": f"{job.queue}.job.{job.status}",
        "timestamp": ended_at.astimezone(UTC).isoformat(),
        "data": {
            "job_id": job.job_id,
            "status": job.status.value,
            "parent_id": job.parent_id,
            "links": {"self": here, "failures": f"{here}/failures"},
        },
    }
    return orjson.dumps(event).decode()


def host_of(url: str) -> str:
    """Return the host and port of a URL; a courier limits its deliveries to each host."""
    return urlsplit(url).netloc.lower()
