"""What an operator looks at first, over all queues."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.auth.scopes import Scope
from app.deps import Jobs, Shared, needs
from app.errors import INVALID, describe_problems
from app.jobs_api.together import answer_together, build_answer
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
