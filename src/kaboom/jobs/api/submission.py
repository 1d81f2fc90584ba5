"""Submit a job over HTTP: a route for each job type, its body, and the headers and query parameters beside it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Query, Response, status
from fastapi import Request as HttpRequest
from pydantic import ConfigDict, Field, WrapValidator, create_model

from kaboom.drivers.request import Request, report_all
from kaboom.errors import InvalidRequest
from kaboom.jobs.api.view import Accepted
from kaboom.jobs.api.words import CallbackUrl, Tag
from kaboom.jobs.deps import IdempotencyKey, Jobs, digest_key, needs
from kaboom.jobs.engine.lifecycle import fingerprint
from kaboom.jobs.job_type import JobType, refuse_internal
from kaboom.jobs.model import JobStatus, Queue, jobs_path
from kaboom.jobs.postgres.port import Admission, Admitted, Terms
from kaboom.web.auth.changes import build_change, context_of, logged_as
from kaboom.web.auth.guard import current_principal, require_scopes
from kaboom.web.errors import CONFLICT, OF_BODY, describe_problems
from kaboom.web.routers import FeatureRouter

_JOINS = "The same request of an unfinished job gets that job (`Kaboom-Coalesced: true`), unless `on_overlap=new`."


class SubmittedJob(Request):
    """The fields that every submission may have in addition to the request."""

    callback_url: CallbackUrl = Field(
        default=None, description="where the job's end is posted to; docs/reference/webhooks.md"
    )
    tags: list[Tag] = Field(
        default=[],
        max_length=8,
        description="words by which the job is found, such as the name of an experiment; its retries have them, too",
        examples=[["october"]],
    )


OverlapRule = Annotated[Literal["join", "new"], Query(description="what the same unfinished request does")]


@dataclass(frozen=True, slots=True)
class Asking:
    """The HTTP request of a submission, the response that gets the headers, and the parameters beside the body."""

    http: HttpRequest
    response: Response
    key: str | None
    on_overlap: OverlapRule


def build_body(job_type: JobType) -> type[SubmittedJob]:
    """Return the model of the body that submits a job: the request, and the fields that every submission may have."""
    name = "".join(part.capitalize() for part in job_type.verb.split("-")) + "Body"
    config = ConfigDict(json_schema_extra={"example": dict(job_type.example)})
    body = create_model(name, __base__=(job_type.request, SubmittedJob), __doc__=job_type.request.__doc__)
    body.model_config = body.model_config | config
    body.model_rebuild(force=True)
    return cast("type[SubmittedJob]", body)


def submit_router(queue: Queue, job_types: Iterable[JobType]) -> APIRouter:
    """Return the routes that submit jobs of a queue: one for each job type, built from the type."""
    router = FeatureRouter(prefix=queue.root)
    for job_type in job_types:
        _add_submission(router, job_type)
    return router


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
    verb = job_type.verb.replace("-", "_")

    @logged_as(verb)
    async def endpoint(
        jobs: Jobs,
        body: SubmittedJob,
        http: HttpRequest,
        response: Response,
        key: IdempotencyKey = None,
        on_overlap: OverlapRule = "join",
    ) -> Accepted:
        return await submit(jobs, job_type, body, Asking(http, response, key, on_overlap))

    endpoint.__annotations__["body"] = Annotated[build_body(job_type), WrapValidator(report_all)]
    endpoint.__name__ = verb
    return endpoint


async def submit(jobs: Jobs, job_type: JobType, body: SubmittedJob, asking: Asking) -> Accepted:
    """Submit a job on the terms of its body and headers.

    Raises:
        InvalidRequest: the request or its callback URL is not allowed, or its key was used with another request.
        Forbidden: the request needs a scope that the caller lacks.
        Conflict: the job of the Idempotency-Key was deleted.
        StoreError: a store is unavailable; nothing was accepted.

    """
    caller = await current_principal(asking.http)
    wanted = _to_request(jobs, job_type, body)
    require_scopes(caller, job_type.scopes_of(wanted) | job_type.run_scopes_of(wanted))
    if (subject := job_type.about(wanted)) is not None:
        await _check_subject(jobs, *subject, owner=caller.owner)
    if body.callback_url is not None:
        await jobs.parts.callbacks.check(body.callback_url)
    terms = Terms(
        fingerprint(job_type, wanted),
        key=digest_key(asking.key),
        may_join=asking.on_overlap == "join",
        callback_url=body.callback_url,
        change=build_change(asking.http.scope, caller, status.HTTP_202_ACCEPTED),
    )
    admission = await jobs.submit(job_type, wanted, owner=caller.owner, terms=terms)
    if admission.is_logged:
        context_of(asking.http.scope).is_logged = True
    return accept(admission, asking.response)


def accept(admission: Admission, response: Response) -> Accepted:
    """Return the answer to a submission; its headers say where and when to look for the job, and whether it is new."""
    job = admission.job
    response.headers["Location"] = f"{jobs_path(job.queue)}/{job.job_id}"
    response.headers["Retry-After"] = "2"
    if admission.how is Admitted.REPLAYED:
        response.headers["Idempotency-Replayed"] = "true"
        # The same answer as the first time.
        return Accepted(job_id=job.job_id, status=JobStatus.QUEUED)
    if admission.how is Admitted.JOINED:
        response.headers["Kaboom-Coalesced"] = "true"
    return Accepted(job_id=job.job_id, status=job.status)


async def _check_subject(jobs: Jobs, queue: Queue, job_id: str, *, owner: str) -> None:
    job = await jobs.parts.history.load(queue, job_id)
    if job is None or job.owner != owner:
        raise InvalidRequest(f"job {job_id} does not exist in queue {queue}", pointer="/job_id")


def _to_request(jobs: Jobs, job_type: JobType, body: SubmittedJob) -> Mapping[str, Any]:
    request = job_type.check(refuse_internal(body), jobs.parts.settings).to_json()
    # A check may have made a request of another model, without the fields beside it.
    beside = {"tags": list(dict.fromkeys(body.tags))} if body.tags else {}
    return {name: value for name, value in request.items() if name not in SubmittedJob.model_fields} | beside
