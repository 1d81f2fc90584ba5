"""`/api/v1/ingest`: submit a daily ingest or a backfill; their jobs hang below."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

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
from app.ingest.schemas import BackfillBody, JobBody, RunDailyBody
from app.jobs.history.port import Terms
from app.jobs.view import Accepted
from app.jobs_api.accepting import accept
from app.jobs_api.routes import JobRoutes, jobs_router
from app.tasks.catalog import INGEST_BACKFILL, INGEST_RUN_DAILY, Queue, TaskSpec
from app.tasks.lifecycle import fingerprint
from batch.errors import InvalidRequest

_JOBS = f"{INGEST_PREFIX}/jobs"

OnOverlap = Annotated[Literal["join", "new"], Query(description="what the same unfinished request does")]

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
    on_overlap: OnOverlap = "join",
) -> Accepted:
    """Take the last sessions of bars for every symbol of a market.

    The same request of an unfinished job gets that job (`Kaboom-Coalesced: true`), unless `on_overlap=new`.
    """
    asked = body.to_request()
    check_request(asked, jobs)
    return await _submit(jobs, INGEST_RUN_DAILY, asked.to_json(), body, Asking(response, key, on_overlap))


@router.post(
    f"{INGEST_PREFIX}/backfill",
    status_code=status.HTTP_202_ACCEPTED,
    tags=["ingest"],
    responses=describe_problems(BAD_JSON, TOO_LARGE, MEDIA_TYPE, INVALID),
)
async def backfill(
    jobs: Jobs, body: BackfillBody, response: Response, key: IdempotencyKey = None, on_overlap: OnOverlap = "join"
) -> Accepted:
    """Take the bars that are missing, lost or not final, and nothing else; the job's result says what was found.

    The same request of an unfinished job gets that job (`Kaboom-Coalesced: true`), unless `on_overlap=new`.
    """
    try:
        asked = body.to_request()
        check_request(asked.scope, jobs)
    except InvalidRequest as e:
        raise InvalidRequest(e.message, pointer="/last" if e.pointer == "/session" else e.pointer) from e
    return await _submit(jobs, INGEST_BACKFILL, asked.to_json(), body, Asking(response, key, on_overlap))


@dataclass(frozen=True, slots=True)
class Asking:
    """How a job is asked for, beside its body, and the response to put headers in."""

    response: Response
    key: str | None
    on_overlap: str


async def _submit(jobs: Jobs, spec: TaskSpec, request: dict[str, Any], body: JobBody, asking: Asking) -> Accepted:
    if body.dry_run:
        request["dry_run"] = True
    if body.callback_url is not None:
        await jobs.parts.callbacks.check(body.callback_url)
    terms = Terms(
        fingerprint(spec, request),
        key=digest_key(asking.key),
        may_join=asking.on_overlap == "join",
        callback_url=body.callback_url,
    )
    admission = await jobs.submit(spec, request, owner=INGEST_OWNER, terms=terms)
    return accept(admission, _JOBS, asking.response)


router.include_router(jobs_router(JobRoutes(Queue.INGEST.value, _JOBS, owner=INGEST_OWNER, build_retry=build_retry)))
