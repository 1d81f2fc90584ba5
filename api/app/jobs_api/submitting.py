"""Submitting a job over HTTP: the body of a kind of job, and how it is submitted beside it."""

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
from app.jobs.queues import jobs_path
from app.jobs_api.accepting import accept
from app.jobs_api.view import Accepted
from app.jobs_api.words import CallbackUrl
from app.ledger.port import Terms
from batch.kit.request import Request


class SubmittedJob(Request):
    """What every submission may say beside the request itself."""

    callback_url: CallbackUrl = Field(
        default=None, description="where the job's end is posted to; docs/reference/webhooks.md"
    )


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks for a job, how, and the response to put headers in."""

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


#: What a route that submits takes beside its body.
HowAsked = Annotated[Asking, Depends(_asking)]


def build_body(job_type: JobType) -> type[SubmittedJob]:
    """Return the model of the body that submits a job: the request, and where its end is posted to."""
    name = "".join(part.capitalize() for part in job_type.verb.split("-")) + "Body"
    config = ConfigDict(json_schema_extra={"example": dict(job_type.example)})
    body = create_model(name, __base__=(job_type.request, SubmittedJob), __doc__=job_type.request.__doc__)
    body.model_config = body.model_config | config
    body.model_rebuild(force=True)
    return cast("type[SubmittedJob]", body)


async def submit(jobs: Jobs, job_type: JobType, body: SubmittedJob, asking: Asking) -> Accepted:
    """Submit a job on the terms of its body and headers.

    Raises:
        InvalidRequest: the request cannot be carried out, or the callback leads to where it must not.
        Forbidden: the request needs a scope that the caller lacks.
        Conflict: the same key is in flight, or was used for another request.
        StoreError: nothing was accepted.

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
    return accept(admission, jobs_path(job_type.queue), asking.response)


def _to_request(jobs: Jobs, job_type: JobType, body: SubmittedJob) -> Mapping[str, Any]:
    # Validated as the body; only the callback is left behind.
    values = {name: getattr(body, name) for name in job_type.request.model_fields}
    request = job_type.request.model_construct(refuse_internal(body).model_fields_set - {"callback_url"}, **values)
    return job_type.check(request, jobs.parts.settings).to_json()
