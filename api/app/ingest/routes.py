"""`/api/v1/ingest`: submit a daily ingest; its jobs hang below."""

from fastapi import APIRouter, Response, status

from app.auth import INGEST_OWNER, INGEST_PREFIX
from app.deps import Jobs
from app.ingest.retry import build_retry
from app.ingest.schemas import RunDailyBody
from app.jobs.view import Accepted
from app.jobs_api import JobRoutes, accepted_headers, jobs_router
from app.tasks.catalog import INGEST_RUN_DAILY, Queue
from batch.ingest.check import check_capabilities, resolve_session
from batch.ingest.request import IngestRequest
from batch.kit.clock import utc_now
from batch.providers.registry import get_provider_spec

_JOBS = f"{INGEST_PREFIX}/jobs"

router = APIRouter()


@router.post(f"{INGEST_PREFIX}/run-daily", status_code=status.HTTP_202_ACCEPTED, tags=["ingest"])
async def run_daily(jobs: Jobs, body: RunDailyBody, response: Response) -> Accepted:
    """Take the last sessions of bars for every symbol of a market."""
    asked = body.to_request()
    settings = jobs.parts.settings
    _check(asked, provider=settings.provider, delay_s=settings.provider_delay_s)
    request = asked.to_json()
    if body.dry_run:
        request["dry_run"] = True
    job = await jobs.submit(INGEST_RUN_DAILY, request, owner=INGEST_OWNER)
    response.headers.update(accepted_headers(_JOBS, job))
    return Accepted(job_id=job.job_id, status=job.status)


def _check(request: IngestRequest, *, provider: str, delay_s: float) -> None:
    """Refuse here, before anything is queued, what the worker would refuse."""
    spec = get_provider_spec(request.provider or provider)
    check_capabilities(request, spec.name, spec.capabilities)
    resolve_session(request, utc_now(), delay_s=delay_s)


router.include_router(jobs_router(JobRoutes(Queue.INGEST.value, _JOBS, owner=INGEST_OWNER, build_retry=build_retry)))
