"""`/api/v1/ingest/webhooks`: the deliveries of webhooks about jobs, and their replay."""

import re
from typing import Annotated

from fastapi import Path, Query, Request, Response, status

from kaboom.errors import Conflict, NotFound
from kaboom.jobs.deps import Caller, Jobs, needs
from kaboom.jobs.postgres.outbox import Delivery, DeliveryQuery
from kaboom.web.auth.changes import Action, logged_as
from kaboom.web.auth.scopes import Scope
from kaboom.web.errors import CONFLICT, INVALID, NOT_FOUND, describe_problems
from kaboom.web.routers import FeatureRouter, link_next
from kaboom.webhooks.schemas import WEBHOOKS, DeliveryPage, DeliveryView, Listing, view_delivery

_DELIVERY_ID = re.compile("msg_[0-9a-f]{32}")
DeliveryId = Annotated[str, Path(max_length=64, description="msg_ and 32 hex digits")]

_READS, _WRITES = [needs(Scope.JOBS_READ)], [needs(Scope.JOBS_WRITE)]

router = FeatureRouter(prefix=WEBHOOKS, tags=["webhooks"])


@router.get("", responses=describe_problems(INVALID), dependencies=_READS)
async def list_webhooks(
    jobs: Jobs, caller: Caller, request: Request, response: Response, query: Annotated[Listing, Query()]
) -> DeliveryPage:
    """List webhooks, newest first; `status=dead` selects those that were given up."""
    found = await jobs.parts.history.outbox.list_deliveries(
        DeliveryQuery(
            caller.owner,
            statuses=frozenset(query.status),
            job_id=query.job_id,
            before=query.cursor,
            limit=query.limit,
        )
    )
    cursor = str(found[-1].place) if len(found) == query.limit else None
    link_next(request, response.headers, cursor)
    return DeliveryPage(items=[view_delivery(delivery, caller) for delivery in found], next_cursor=cursor)


@router.get("/{delivery_id}", responses=describe_problems(NOT_FOUND, INVALID), dependencies=_READS)
async def get_webhook(jobs: Jobs, caller: Caller, delivery_id: DeliveryId) -> DeliveryView:
    """Show one webhook."""
    return view_delivery(await _find(jobs, caller.owner, delivery_id), caller)


@router.post(
    "/{delivery_id}/replay",
    status_code=status.HTTP_202_ACCEPTED,
    responses=describe_problems(NOT_FOUND, INVALID, CONFLICT),
    dependencies=_WRITES,
)
@logged_as(Action.REPLAY_WEBHOOK)
async def replay_webhook(jobs: Jobs, caller: Caller, delivery_id: DeliveryId) -> DeliveryView:
    """Send a delivered or dead webhook again: with the same id and body, and as many attempts as a new one."""
    delivery = await _find(jobs, caller.owner, delivery_id)
    again = await jobs.parts.history.outbox.replay(caller.owner, delivery_id)
    if again is None:
        raise Conflict(f"webhook {delivery_id} was {delivery.status}, expected one that is delivered or dead")
    return view_delivery(again, caller)


async def _find(jobs: Jobs, owner: str, delivery_id: str) -> Delivery:
    found = None
    if _DELIVERY_ID.fullmatch(delivery_id):
        found = await jobs.parts.history.outbox.load(owner, delivery_id)
    if found is None:
        raise NotFound(f"webhook {delivery_id} does not exist: an id is msg_ and 32 hex digits")
    return found
