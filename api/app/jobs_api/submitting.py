"""Submit a job over HTTP: the body of each job type, and the headers and query parameters beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from fastapi import Depends, Query, Response
from pydantic import ConfigDict, Field, create_model

from app.auth.guard import require_scopes
from app.auth.principals import Principal
from app.deps import Caller, IdempotencyKey, Jobs, digest_key
from app.engine.lifecycle import fingerprint
from app.jobs.job_type import JobType, refuse_internal
from app.jobs.model import JobStatus
from app.jobs.queues import jobs_path
from app.jobs_api.view import Accepted
from app.jobs_api.words import CallbackUrl
from app.ledger.port import Admission, Admitted, Terms
from batch.kit.request import Request


class SubmittedJob(Request):
    """The fields that every submission may have in addition to the request."""

    callback_url: CallbackUrl = Field(
        default=None, description="where the job's end is posted to; docs/reference/webhooks.md"
    )


@dataclass(frozen=True, slots=True)
class Asking:
    """The caller of a submission, its key and overlap rule, and the response that gets the headers."""

    caller: Principal
    response: Response
    key: str | None
    on_overlap: str


async def _asking(
    caller: Caller,
    response: Response,
    key: IdempotencyKey = None,
    on_overlap: Annotated[Literal["join", "new"], Query(description="what the same unfinished request does")] = "join",
) -> Asking:
    return Asking(caller, response, key, on_overlap)


#: The parameters of a submission route beside its body.
HowAsked = Annotated[Asking, Depends(_asking)]


def build_body(job_type: JobType) -> type[SubmittedJob]:
    """Return the model of the body that submits a job: the request and the callback URL."""
    name = "".join(part.capitalize() for part in job_type.verb.split("-")) + "Body"
    config = ConfigDict(json_schema_extra={"example": dict(job_type.example)})
    body = create_model(name, __base__=(job_type.request, SubmittedJob), __doc__=job_type.request.__doc__)
    body.model_config = body.model_config | config
    body.model_rebuild(force=True)
    return cast("type[SubmittedJob]", body)


async def submit(jobs: Jobs, job_type: JobType, body: SubmittedJob, asking: Asking) -> Accepted:
    """Submit a job on the terms of its body and headers.

    Raises:
        InvalidRequest: the request or its callback URL is not allowed, or its key was used with another request.
        Forbidden: the request needs a scope that the caller lacks.
        Conflict: the job of the Idempotency-Key was deleted.
        StoreError: a store is unavailable; nothing was accepted.

    """
    wanted = _to_request(jobs, job_type, body)
    require_scopes(asking.caller, job_type.scopes_of(body))
    if body.callback_url is not None:
        await jobs.parts.callbacks.check(body.callback_url)
    terms = Terms(
        fingerprint(job_type, wanted),
        key=digest_key(asking.key),
        may_join=asking.on_overlap == "join",
        callback_url=body.callback_url,
    )
    admission = await jobs.submit(job_type, wanted, owner=asking.caller.owner, terms=terms)
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


def _to_request(jobs: Jobs, job_type: JobType, body: SubmittedJob) -> Mapping[str, Any]:
    # The body has been validated already: copy the request without the callback URL.
    values = {name: getattr(body, name) for name in job_type.request.model_fields}
    request = job_type.request.model_construct(refuse_internal(body).model_fields_set - {"callback_url"}, **values)
    return job_type.check(request, jobs.parts.settings).to_json()
