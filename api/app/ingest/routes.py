"""`/api/v1/ingest`: submit a daily ingest; its jobs hang below."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response, Security, status

from app.auth import INGEST_OWNER, INGEST_PREFIX, INGEST_SCHEME
from app.deps import IdempotencyKey, Jobs, digest_key
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
from app.ingest.check import check_request
from app.ingest.retry import build_retry
from app.ingest.schemas import RunDailyBody
from app.jobs.history.port import Terms
from app.jobs.view import Accepted
from app.jobs_api.accepting import accept
from app.jobs_api.routes import JobRoutes, jobs_router
from app.tasks.catalog import INGEST_RUN_DAILY, Queue
from app.tasks.lifecycle import fingerprint

_JOBS = f"{INGEST_PREFIX}/jobs"

router = APIRouter(
    dependencies=[Security(INGEST_SCHEME)], responses=describe_problems(UNAUTHORIZED, RATE_LIMITED, UNAVAILABLE)
)


@router.post(
    f"{INGEST_PREFIX}/run-daily",
    status_code=status.HTTP_202_ACCEPTED,
    tags=["ingest"],
    responses=describe_problems(BAD_JSON, TOO_LARGE, MEDIA_TYPE, INVALID),
)
async def run_daily(
    jobs: Jobs,
    body: RunDailyBody,
    response: Response,
    key: IdempotencyKey = None,
    on_overlap: Annotated[Literal["join", "new"], Query(description="what the same unfinished request does")] = "join",
) -> Accepted:
    """Take the last sessions of bars for every symbol of a market.

    The same request of an unfinished job gets that job (`Kaboom-Coalesced: true`), unless `on_overlap=new`.
    """
    asked = body.to_request()
    settings = jobs.parts.settings
    check_request(
        asked,
        provider=settings.provider,
        delay_s=settings.provider_delay_s,
        lacking=settings.lacking_for,
    )
    request = asked.to_json()
    if body.dry_run:
        request["dry_run"] = True
    if body.callback_url is not None:
        await jobs.parts.callbacks.check(body.callback_url)
    terms = Terms(
        fingerprint(INGEST_RUN_DAILY, request),
        key=digest_key(key),
        may_join=on_overlap == "join",
        callback_url=body.callback_url,
    )
    admission = await jobs.submit(INGEST_RUN_DAILY, request, owner=INGEST_OWNER, terms=terms)
    return accept(admission, _JOBS, response)


router.include_router(jobs_router(JobRoutes(Queue.INGEST.value, _JOBS, owner=INGEST_OWNER, build_retry=build_retry)))
