"""Webhook deliveries as the API shows them."""

from hashlib import sha256
from urllib.parse import urlsplit

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from kaboom.jobs.model import jobs_path
from kaboom.jobs.postgres.outbox import Delivery, DeliveryStatus
from kaboom.web.auth.principals import Principal
from kaboom.web.auth.scopes import Scope
from kaboom.web.routers import view_of

WEBHOOKS = "/api/v1/ingest/webhooks"
#: The scopes that submit jobs with a callback.
_SUBMITTERS = frozenset({Scope.INGEST, Scope.JOBS_WRITE})

_ID = "msg_0b6f3c1d9c8e4f5aa7d2b1e0c9f8a7d6"
_JOB = "dc84d88371794773b929d2957f6a663b"


class Listing(BaseModel):
    """The filter and the page of a list of deliveries."""

    model_config = ConfigDict(extra="forbid")

    status: list[DeliveryStatus] = Field(default=[], max_length=4)
    job_id: str | None = Field(default=None, pattern="^[0-9a-f]{32}$")
    limit: int = Field(default=50, ge=1, le=200)
    cursor: int | None = Field(default=None, ge=1, le=2**63 - 1)


class DeliveryView(BaseModel):
    """One webhook to one receiver; `last_status` is null if the receiver did not answer."""

    id: str = Field(
        description="the header webhook-id, the same at each attempt", examples=["msg_0b6f3c1d9c8e4f5aa7d2b1e0c9f8a7d6"]
    )
    job_id: str = Field(examples=["dc84d88371794773b929d2957f6a663b"])
    url: str = Field(
        description="its host and a hash, unless the caller has the scope `ingest` or `jobs:write`",
        examples=["https://hooks.example.com/kaboom"],
    )
    status: DeliveryStatus = Field(examples=["dead"])
    attempts: int = Field(examples=[10])
    last_status: int | None = Field(examples=[500])
    last_error: str | None = Field(examples=["the receiver answered 500"])
    created_at: AwareDatetime | None = Field(examples=["2026-11-25T07:35:00Z"])
    next_attempt_at: AwareDatetime | None
    ended_at: AwareDatetime | None = Field(examples=["2026-11-28T11:58:12Z"])
    links: dict[str, str] = Field(
        examples=[
            {
                "self": "/api/v1/ingest/webhooks/msg_0b6f3c1d9c8e4f5aa7d2b1e0c9f8a7d6",
                "replay": "/api/v1/ingest/webhooks/msg_0b6f3c1d9c8e4f5aa7d2b1e0c9f8a7d6/replay",
                "job": "/api/v1/ingest/jobs/dc84d88371794773b929d2957f6a663b",
            }
        ]
    )


class DeliveryPage(BaseModel):
    """Some deliveries, newest first."""

    items: list[DeliveryView]
    next_cursor: str | None


def view_delivery(delivery: Delivery, caller: Principal) -> DeliveryView:
    """Return a delivery as the API shows it to a caller.

    Whoever knows the URL of a callback can often call it, so only callers who can submit jobs see it.
    """
    here = f"{WEBHOOKS}/{delivery.delivery_id}"
    links = {"self": here, "replay": f"{here}/replay", "job": _job_of(delivery)}
    url = delivery.url if _SUBMITTERS & caller.scopes else _mask(delivery.url)
    return view_of(DeliveryView, delivery, id=delivery.delivery_id, url=url, links=links)


def _mask(url: str) -> str:
    """Return the host of a URL and a hash, by which callbacks can be told apart."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}/#{sha256(url.encode()).hexdigest()[:12]}"


def _job_of(delivery: Delivery) -> str:
    """Return the path of the job from the body of its webhook; without a body the queue is unknown: use `ingest`."""
    link = orjson.loads(delivery.body)["data"]["links"]["self"] if delivery.body else None
    return str(link or f"{jobs_path('ingest')}/{delivery.job_id}")
