"""`/api/v1/notifications/rules` and `/messages`: which events are sent, and the delivery of each message."""

import asyncio
import re
from datetime import timedelta
from typing import Annotated, Any
from uuid import uuid4

from fastapi import Path, Query, Request, Response, status

from kaboom.drivers.clock import utc_now
from kaboom.errors import Conflict, NotFound
from kaboom.jobs.deps import Caller, Preferred
from kaboom.notify.model import Message, MessageQuery, NotificationLog, Rule
from kaboom.notify.routes import ADMIN, BODY, PREFIX, Stores
from kaboom.notify.schemas import MessageListing, NewRule, RuleChange
from kaboom.notify.views import MessagePage, MessageView, RuleList, RuleView, view_message, view_rule
from kaboom.web.auth.changes import Action, logged_as
from kaboom.web.errors import CONFLICT, INVALID, NOT_FOUND, describe_problems
from kaboom.web.routers import FeatureRouter, hex_id, link_next

_WEEK = timedelta(days=7)
_MESSAGE_ID = re.compile("msg_[0-9a-f]{32}")


RuleId = Annotated[str, hex_id("rule_id", "rule")]
MessageId = Annotated[str, Path(max_length=64, description="msg_ and 32 hex digits")]
_ONE = describe_problems(NOT_FOUND, INVALID)
_CHANGES: dict[int | str, dict[str, Any]] = _ONE | BODY

router = FeatureRouter(prefix=PREFIX, tags=["notifications"], dependencies=ADMIN)


@router.get("/rules")
async def list_rules(notifications: Stores, caller: Caller) -> RuleList:
    """List all rules, by name, and how many messages each sent in seven days."""
    found, sent = await asyncio.gather(
        notifications.rules.list_rules(caller.owner), notifications.log.count_sent(caller.owner, utc_now() - _WEEK)
    )
    return RuleList(items=[view_rule(rule, sent.get(rule.rule_id, 0)) for rule in found])


@router.post("/rules", status_code=status.HTTP_201_CREATED, responses=_CHANGES)
@logged_as(Action.CREATE_RULE)
async def create_rule(notifications: Stores, caller: Caller, body: NewRule, response: Response) -> RuleView:
    """Add a rule: events that match it from now on are sent to its channel."""
    rule = Rule(rule_id=uuid4().hex, owner=caller.owner, **_values_of(body))
    kept = await notifications.rules.add_rule(rule)
    response.headers["Location"] = f"{PREFIX}/rules/{kept.rule_id}"
    return view_rule(kept, 0)


@router.get("/rules/{rule_id}", responses=_ONE)
async def get_rule(notifications: Stores, caller: Caller, rule_id: RuleId) -> RuleView:
    """Show one rule."""
    return await _view(notifications.log, await notifications.rules.load_rule(caller.owner, rule_id))


@router.put("/rules/{rule_id}", responses=_CHANGES)
@logged_as(Action.REPLACE_RULE)
async def replace_rule(notifications: Stores, caller: Caller, rule_id: RuleId, body: NewRule) -> RuleView:
    """Replace the values of a rule; waiting messages do not change."""
    return await _view(
        notifications.log, await notifications.rules.change_rule(caller.owner, rule_id, _values_of(body))
    )


@router.patch("/rules/{rule_id}", responses=_CHANGES)
@logged_as(Action.SWITCH_RULE)
async def switch_rule(notifications: Stores, caller: Caller, rule_id: RuleId, body: RuleChange) -> RuleView:
    """Turn a rule on or off; events that happen while it is off are not sent later."""
    values = {"is_enabled": body.is_enabled}
    return await _view(notifications.log, await notifications.rules.change_rule(caller.owner, rule_id, values))


@router.delete("/rules/{rule_id}", status_code=status.HTTP_204_NO_CONTENT, responses=_ONE)
@logged_as(Action.DELETE_RULE)
async def delete_rule(notifications: Stores, caller: Caller, rule_id: RuleId) -> None:
    """Delete a rule; its waiting messages are still sent."""
    await notifications.rules.delete_rule(caller.owner, rule_id)


@router.get("/messages", responses=describe_problems(INVALID))
async def list_messages(
    notifications: Stores,
    caller: Caller,
    request: Request,
    response: Response,
    query: Annotated[MessageListing, Query()],
    language: Preferred,
) -> MessagePage:
    """List messages, newest first; `status=dead` selects those that were given up."""
    log = notifications.log
    found = await log.list_messages(
        MessageQuery(
            caller.owner,
            statuses=frozenset(query.status),
            rule_id=query.rule_id,
            channel_id=query.channel_id,
            before=query.cursor,
            limit=query.limit,
        )
    )
    events = await log.load_events([event_id for message in found for event_id in message.event_ids[:20]])
    cursor = str(found[-1].place) if len(found) == query.limit else None
    link_next(request, response.headers, cursor)
    return MessagePage(items=[view_message(each, events, language) for each in found], next_cursor=cursor)


@router.get("/messages/{message_id}", responses=_ONE)
async def get_message(notifications: Stores, caller: Caller, message_id: MessageId, language: Preferred) -> MessageView:
    """Show one message."""
    log = notifications.log
    message = await _find(log, caller.owner, message_id)
    return view_message(message, await log.load_events(message.event_ids[:20]), language)


@router.post(
    "/messages/{message_id}/replay",
    status_code=status.HTTP_202_ACCEPTED,
    responses=_ONE | describe_problems(CONFLICT),
)
@logged_as(Action.REPLAY_MESSAGE)
async def replay_message(
    notifications: Stores, caller: Caller, message_id: MessageId, language: Preferred
) -> MessageView:
    """Send a delivered or dead message again: with the same id, and as many attempts as a new one."""
    log = notifications.log
    message = await _find(log, caller.owner, message_id)
    again = await log.replay(caller.owner, message_id, utc_now())
    if again is None:
        raise Conflict(f"message {message_id} was {message.status}, expected one that is delivered or dead")
    return view_message(again, await log.load_events(again.event_ids[:20]), language)


def _values_of(body: NewRule) -> dict[str, Any]:
    values = {name: getattr(body, name) for name in type(body).model_fields}
    values["events"] = tuple(dict.fromkeys(body.events))
    return values | {"only": {name: tuple(found) for name, found in body.only.items()}}


async def _view(log: NotificationLog, rule: Rule) -> RuleView:
    sent = await log.count_sent(rule.owner, utc_now() - _WEEK)
    return view_rule(rule, sent.get(rule.rule_id, 0))


async def _find(log: NotificationLog, owner: str, message_id: str) -> Message:
    found = await log.load_message(owner, message_id) if _MESSAGE_ID.fullmatch(message_id) else None
    if found is None:
        raise NotFound(f"message {message_id} does not exist: an id is msg_ and 32 hex digits")
    return found
