"""What an operator looks at first, over all queues."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.auth.scopes import Scope
from app.deps import Caller, Cursors, Jobs, Shared, needs
from app.errors import BAD_CURSOR, INVALID, describe_problems
from app.jobs_api.together import answer_together, build_answer
from app.overview.dead_letters import DeadLetterListing, DeadLetterPage, page_dead_letters
from app.overview.stats import AllStats, Series, SeriesListing, tell_all_stats, tell_series
from app.overview.workers import WorkerList, list_workers
from batch.kit.clock import utc_now

router = APIRouter(prefix="/api/v1", tags=["overview"], dependencies=[needs(Scope.JOBS_READ)])


@router.get("/workers", response_model=WorkerList)
async def get_workers(jobs: Jobs, shared: Shared, request: Request) -> Response:
    """List the workers of the last 15 minutes, the lost ones too, and the chunks that each runs now."""

    async def find() -> Response:
        return build_answer((await list_workers(jobs.parts, shared.owner)).model_dump_json())

    return await answer_together(shared, request, find)


@router.get("/jobs/stats", response_model=AllStats)
async def get_stats(jobs: Jobs, shared: Shared, request: Request) -> Response:
    """Count the jobs of all queues by state, what waits and what runs; `queues` has the same of each."""

    async def find() -> Response:
        return build_answer((await tell_all_stats(jobs)).model_dump_json())

    return await answer_together(shared, request, find)


@router.get("/stats/series", response_model=Series, responses=describe_problems(INVALID))
async def get_series(
    jobs: Jobs, shared: Shared, request: Request, listing: Annotated[SeriesListing, Query()]
) -> Response:
    """Show what each queue did over time: items settled, jobs ended, jobs that waited."""
    query = listing.to_query(jobs.parts.catalog.queues, utc_now())

    async def find() -> Response:
        return build_answer((await tell_series(jobs, query)).model_dump_json())

    return await answer_together(shared, request, find)


@router.get("/dead-letters", responses=describe_problems(BAD_CURSOR, INVALID))
async def list_dead_letters(
    jobs: Jobs,
    caller: Caller,
    cursors: Cursors,
    request: Request,
    response: Response,
    listing: Annotated[DeadLetterListing, Query()],
) -> DeadLetterPage:
    """List the chunks that were given up, newest first; `links.retry` runs what its job has left to do."""
    queues = jobs.parts.catalog.queues
    page = await page_dead_letters(jobs.parts.history, cursors, listing, queues=queues, owner=caller.owner)
    if page.next_cursor:
        url = request.url.include_query_params(cursor=page.next_cursor)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return page
