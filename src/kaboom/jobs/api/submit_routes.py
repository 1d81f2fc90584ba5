"""The routes that submit jobs: one for each job type, built from the type."""

from collections.abc import Awaitable, Callable, Iterator

from fastapi import APIRouter, Request, Response, status

from kaboom.jobs.api.routes import JobRoutes, jobs_router
from kaboom.jobs.api.submission import Asking, OverlapRule, SubmittedJob, build_body, submit
from kaboom.jobs.api.view import Accepted
from kaboom.jobs.deps import IdempotencyKey, Jobs, needs
from kaboom.jobs.job_type import Catalog, JobType
from kaboom.web.errors import CONFLICT, OF_BODY, describe_problems
from kaboom.web.routers import FeatureRouter

_JOINS = "The same request of an unfinished job gets that job (`Kaboom-Coalesced: true`), unless `on_overlap=new`."


def queue_routers(catalog: Catalog) -> Iterator[APIRouter]:
    """Yield two routers for each queue: the routes of its jobs, and the routes that submit its job types."""
    for queue in catalog.queues:
        job_types = catalog.of(queue)
        yield jobs_router(JobRoutes(queue, job_types))
        router = FeatureRouter(prefix=queue.root)
        for job_type in job_types:
            _add_submission(router, job_type)
        yield router


def _add_submission(router: APIRouter, job_type: JobType) -> None:
    router.add_api_route(
        f"/{job_type.verb}",
        _build_endpoint(job_type),
        methods=["POST"],
        status_code=status.HTTP_202_ACCEPTED,
        tags=[job_type.queue.path.replace("-", " ")],
        summary=job_type.summary,
        description="\n\n".join(filter(None, (f"{job_type.summary}.", job_type.notes, _JOINS))),
        responses=describe_problems(*OF_BODY, CONFLICT),
        dependencies=[needs(job_type.scope)],
    )


def _build_endpoint(job_type: JobType) -> Callable[..., Awaitable[Accepted]]:
    async def endpoint(
        jobs: Jobs,
        body: SubmittedJob,
        http: Request,
        response: Response,
        key: IdempotencyKey = None,
        on_overlap: OverlapRule = "join",
    ) -> Accepted:
        return await submit(jobs, job_type, body, Asking(http, response, key, on_overlap))

    endpoint.__annotations__["body"] = build_body(job_type)
    endpoint.__name__ = job_type.verb.replace("-", "_")
    return endpoint
