"""`/api/v1/ingest`: submit a daily ingest or a backfill; their jobs hang below."""

from fastapi import APIRouter, Security, status

from app.auth import INGEST_OWNER, INGEST_PREFIX, INGEST_SCHEME
from app.deps import Jobs
from app.engine.catalog import INGEST_BACKFILL, INGEST_RUN_DAILY, Queue
from app.errors import (
    BAD_JSON,
    CONFLICT,
    INVALID,
    MEDIA_TYPE,
    RATE_LIMITED,
    TOO_LARGE,
    UNAUTHORIZED,
    UNAVAILABLE,
    describe_problems,
)
from app.ingest.check import check_request
from app.ingest.retry import build_retry
from app.ingest.schemas import BackfillBody, RunDailyBody
from app.jobs_api.routes import JobRoutes, jobs_router
from app.jobs_api.submitting import HowAsked, Submission
from app.jobs_api.view import Accepted
from batch.errors import InvalidRequest

_JOBS = f"{INGEST_PREFIX}/jobs"

_RUN_DAILY = Submission(INGEST_RUN_DAILY, INGEST_OWNER, _JOBS)
_BACKFILL = Submission(INGEST_BACKFILL, INGEST_OWNER, _JOBS)

router = APIRouter(
    dependencies=[Security(INGEST_SCHEME)], responses=describe_problems(UNAUTHORIZED, RATE_LIMITED, UNAVAILABLE)
)


@router.post(
    f"{INGEST_PREFIX}/run-daily",
    status_code=status.HTTP_202_ACCEPTED,
    tags=["ingest"],
    responses=describe_problems(BAD_JSON, CONFLICT, TOO_LARGE, MEDIA_TYPE, INVALID),
)
async def run_daily(jobs: Jobs, body: RunDailyBody, asking: HowAsked) -> Accepted:
    """Take the last sessions of bars for every symbol of a market.

    The same request of an unfinished job gets that job (`Kaboom-Coalesced: true`), unless `on_overlap=new`.
    """
    asked = body.to_request()
    check_request(asked, jobs)
    return await _RUN_DAILY.submit(jobs, asked.to_json(), body, asking)


@router.post(
    f"{INGEST_PREFIX}/backfill",
    status_code=status.HTTP_202_ACCEPTED,
    tags=["ingest"],
    responses=describe_problems(BAD_JSON, CONFLICT, TOO_LARGE, MEDIA_TYPE, INVALID),
)
async def backfill(jobs: Jobs, body: BackfillBody, asking: HowAsked) -> Accepted:
    """Take the bars that are missing, lost or not final, and nothing else; the job's result says what was found.

    The same request of an unfinished job gets that job (`Kaboom-Coalesced: true`), unless `on_overlap=new`.
    """
    try:
        asked = body.to_request()
        check_request(asked.scope, jobs)
    except InvalidRequest as e:
        raise InvalidRequest(e.message, pointer="/last" if e.pointer == "/session" else e.pointer) from e
    return await _BACKFILL.submit(jobs, asked.to_json(), body, asking)


router.include_router(jobs_router(JobRoutes(Queue.INGEST.value, _JOBS, owner=INGEST_OWNER, build_retry=build_retry)))
