"""What an operator looks at first, over all queues."""

from fastapi import APIRouter, Request, Response

from app.deps import Jobs, Shared
from app.jobs_api.together import answer_together, build_answer
from app.overview.workers import WorkerList, list_workers

router = APIRouter(prefix="/api/v1", tags=["overview"])


@router.get("/workers", response_model=WorkerList)
async def get_workers(jobs: Jobs, shared: Shared, request: Request) -> Response:
    """List the workers of the last 15 minutes, the lost ones too, and the chunks that each runs now."""

    async def find() -> Response:
        return build_answer((await list_workers(jobs.parts, shared.owner)).model_dump_json())

    return await answer_together(shared, request, find)
