"""`/api/v1/market-data`: submit jobs on the bars that are kept; the jobs hang below."""

from typing import Any

from fastapi import APIRouter, Security

from app.auth import INGEST_OWNER, INGEST_SCHEME, MARKET_DATA_PREFIX
from app.deps import Jobs
from app.engine.catalog import MARKET_DATA_COMPACT, MARKET_DATA_MIRROR, MARKET_DATA_ROLL_UP, Queue
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
from app.jobs_api.routes import JobRoutes, jobs_router
from app.jobs_api.submitting import HowAsked, Submission
from app.jobs_api.view import Accepted
from app.market_data.bodies import CompactBody, MirrorBody, RollUpBody
from app.market_data.check import check_roll_up
from app.market_data.retry import build_retry

JOBS = f"{MARKET_DATA_PREFIX}/jobs"
#: What all routes that submit have in common.
SUBMIT: dict[str, Any] = {
    "status_code": 202,
    "tags": ["market data"],
    "responses": describe_problems(BAD_JSON, CONFLICT, TOO_LARGE, MEDIA_TYPE, INVALID),
}
_ROLL_UP, _MIRROR, _COMPACT = (
    Submission(spec, INGEST_OWNER, JOBS) for spec in (MARKET_DATA_ROLL_UP, MARKET_DATA_MIRROR, MARKET_DATA_COMPACT)
)

router = APIRouter(
    dependencies=[Security(INGEST_SCHEME)], responses=describe_problems(UNAUTHORIZED, RATE_LIMITED, UNAVAILABLE)
)


@router.post(f"{MARKET_DATA_PREFIX}/roll-up", **SUBMIT)
async def roll_up(jobs: Jobs, body: RollUpBody, asking: HowAsked) -> Accepted:
    """Make 5m, 15m, 1h and 1d bars of the minutes that are held, and hold the days against the provider's own.

    They are kept apart from the provider's, as bars of `<provider>_from_1m`.
    The same request of an unfinished job gets that job (`Kaboom-Coalesced: true`), unless `on_overlap=new`.
    """
    asked = body.to_request(jobs.parts.settings.provider)
    check_roll_up(asked)
    return await _ROLL_UP.submit(jobs, asked.to_json(), body, asking)


@router.post(f"{MARKET_DATA_PREFIX}/mirror", **SUBMIT)
async def mirror(jobs: Jobs, body: MirrorBody, asking: HowAsked) -> Accepted:
    """Write the bars as files under the server's mirror folder, one for each provider, interval and month.

    The same request of an unfinished job gets that job (`Kaboom-Coalesced: true`), unless `on_overlap=new`.
    """
    return await _MIRROR.submit(jobs, body.to_request().to_json(), body, asking)


@router.post(f"{MARKET_DATA_PREFIX}/compact", **SUBMIT)
async def compact(jobs: Jobs, body: CompactBody, asking: HowAsked) -> Accepted:
    """Drop bars that are older than is wanted, and give unused space back; `dry_run` tells what would go.

    The same request of an unfinished job gets that job (`Kaboom-Coalesced: true`), unless `on_overlap=new`.
    """
    return await _COMPACT.submit(jobs, body.to_json(), body, asking)


router.include_router(
    jobs_router(JobRoutes(Queue.MARKET_DATA.value, JOBS, owner=INGEST_OWNER, build_retry=build_retry))
)
