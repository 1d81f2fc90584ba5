"""The answer to a submission."""

from fastapi import Response

from app.jobs.model import JobStatus
from app.jobs.queues import jobs_path
from app.jobs_api.view import Accepted
from app.ledger.port import Admission, Admitted


def accept(admission: Admission, response: Response) -> Accepted:
    """Return the answer to a submission; its headers say where and when to look for the job, and whether it is new."""
    job = admission.job
    response.headers["Location"] = f"{jobs_path(job.queue)}/{job.job_id}"
    response.headers["Retry-After"] = "2"
    if admission.how is Admitted.REPLAYED:
        response.headers["Idempotency-Replayed"] = "true"
        # The same answer as the first time.
        return Accepted(job_id=job.job_id, status=JobStatus.QUEUED)
    if admission.how is Admitted.JOINED:
        response.headers["Kaboom-Coalesced"] = "true"
    return Accepted(job_id=job.job_id, status=job.status)
