"""`/api/v1/jobs`: the jobs of all queues as one list, newest first."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from kaboom.jobs.api.listing import JobList, Listing
from kaboom.jobs.api.rendering import JobWriter
from kaboom.jobs.api.together import answer_together
from kaboom.jobs.api.view import JobPage
from kaboom.jobs.deps import Cursors, Jobs, Shared, needs
from kaboom.jobs.queues import Queue
from kaboom.web.auth.scopes import Scope
from kaboom.web.errors import BAD_CURSOR, INVALID, describe_problems

_writer = JobWriter()

router = APIRouter(tags=["jobs"])


class ListingOfQueues(Listing):
    """The jobs to list, by queue and by the filters of `Listing`."""

    queue: list[Queue] = Field(default=[], max_length=len(Queue), description="only these; default: all")


@router.get(
    "/api/v1/jobs",
    response_model=JobPage,
    responses=describe_problems(BAD_CURSOR, INVALID),
    dependencies=[needs(Scope.JOBS_READ)],
)
async def list_all_jobs(
    jobs: Jobs, cursors: Cursors, shared: Shared, request: Request, query: Annotated[ListingOfQueues, Query()]
) -> Response:
    """List the jobs of all queues, or of some, as one list, newest first.

    Each item has the links of its own queue; one cursor leads through all of them.
    """
    queues = tuple(sorted({queue.value for queue in query.queue or jobs.parts.catalog.queues}))
    found = JobList(queues, shared.owner, shared.scopes, cursors, _writer)
    return await answer_together(shared, request, lambda: found.answer(jobs, request, query))
