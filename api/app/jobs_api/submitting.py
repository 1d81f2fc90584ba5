"""Submitting a job over HTTP: what every body may say, and how one is asked for beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.deps import IdempotencyKey, Jobs, digest_key
from app.engine.catalog import TaskSpec
from app.engine.lifecycle import fingerprint
from app.jobs_api.accepting import accept
from app.jobs_api.view import Accepted
from app.jobs_api.words import CallbackUrl
from app.ledger.port import Terms


class JobBody(BaseModel):
    """What every job may be told."""

    model_config = ConfigDict(extra="forbid", strict=True)

    callback_url: CallbackUrl = Field(
        default=None, description="where the job's end is posted to; docs/reference/webhooks.md"
    )
    dry_run: bool = Field(default=False, description="plan only: the job ends with its plan, and nothing is done")


@dataclass(frozen=True, slots=True)
class Asking:
    """How a job is asked for, beside its body, and the response to put headers in."""

    response: Response
    key: str | None
    on_overlap: str


async def _asking(
    response: Response,
    key: IdempotencyKey = None,
    on_overlap: Annotated[Literal["join", "new"], Query(description="what the same unfinished request does")] = "join",
) -> Asking:
    return Asking(response, key, on_overlap)


#: What a route that submits takes beside its body.
HowAsked = Annotated[Asking, Depends(_asking)]


@dataclass(frozen=True, slots=True)
class Submission:
    """A task, whose job it is, and the path of its queue's jobs."""

    spec: TaskSpec
    owner: str
    base: str

    async def submit(self, jobs: Jobs, request: Mapping[str, Any], body: JobBody, asking: Asking) -> Accepted:
        """Submit a checked request on the terms of its body and headers.

        Raises:
            InvalidRequest: the callback leads to where it must not.
            Conflict: the same key is in flight, or was used for another request.
            StoreError: nothing was accepted.

        """
        wanted = {**request, "dry_run": True} if body.dry_run else request
        if body.callback_url is not None:
            await jobs.parts.callbacks.check(body.callback_url)
        terms = Terms(
            fingerprint(self.spec, wanted),
            key=digest_key(asking.key),
            may_join=asking.on_overlap == "join",
            callback_url=body.callback_url,
        )
        admission = await jobs.submit(self.spec, wanted, owner=self.owner, terms=terms)
        return accept(admission, self.base, asking.response)
