"""`/api/v1/market-data`: submit jobs on the bars that are kept; the jobs hang below."""

from typing import Any

from fastapi import APIRouter, Security

from app.auth import INGEST_OWNER, INGEST_SCHEME, MARKET_DATA_PREFIX
from app.deps import Jobs
from app.errors import (
    BAD_JSON,
    INVALID,
    MEDIA_TYPE,
    RATE_LIMITED,
    TOO_LARGE,
    UNAUTHORIZED,
    UNAVAILABLE,
    describe_problems,
)
from app.jobs.view import Accepted
from app.jobs_api.routes import JobRoutes, jobs_router
from app.jobs_api.submitting import HowAsked, Submission
from app.market_data.bodies import RollUpBody
from app.market_data.check import check_roll_up
from app.market_data.retry import build_retry
from app.tasks.catalog import MARKET_DATA_ROLL_UP, Queue

JOBS = f"{MARKET_DATA_PREFIX}/jobs"
#: What all routes that submit have in common.
_SUBMIT: dict[str, Any] = {
    "status_code": 202,
    "tags": ["market data"],
    "responses": describe_problems(BAD_JSON, TOO_LARGE, MEDIA_TYPE, INVALID),
}
_ROLL_UP = Submission(MARKET_DATA_ROLL_UP, INGEST_OWNER, JOBS)

router = APIRouter(
    dependencies=[Security(INGEST_SCHEME)], responses=describe_problems(UNAUTHORIZED, RATE_LIMITED, UNAVAILABLE)
)


@router.post(f"{MARKET_DATA_PREFIX}/roll-up", **_SUBMIT)
async def roll_up(jobs: Jobs, body: RollUpBody, asking: HowAsked) -> Accepted:
    """Make 5m, 15m, 1h and 1d bars of the minutes that are held, and hold the days against the provider's own.

    They are kept apart from the provider's, as bars of `<provider>_from_1m`.
    The same request of an unfinished job gets that job (`Kaboom-Coalesced: true`), unless `on_overlap=new`.
    """
    asked = body.to_request(jobs.parts.settings.provider)
    check_roll_up(asked)
    return await _ROLL_UP.submit(jobs, asked.to_json(), body, asking)


router.include_router(
    jobs_router(JobRoutes(Queue.MARKET_DATA.value, JOBS, owner=INGEST_OWNER, build_retry=build_retry))
)
