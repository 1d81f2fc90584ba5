"""`/api/v1/notifications`: channels, rules, messages with their delivery, and alerts of Alertmanager."""

import asyncio
import re
from datetime import timedelta
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Path, Query, Request, Response, status

from kaboom.drivers.clock import utc_now
from kaboom.errors import Conflict, NotFound
from kaboom.jobs.deps import Caller, Jobs, Preferred, needs, opened
from kaboom.notify.model import Channel, ChannelKind, Message, MessageQuery, NotificationLog, Notifications, Rule
from kaboom.notify.schemas import (
    AlertmanagerPost,
    ChannelChange,
    MessageListing,
    NewChannel,
    NewRule,
    RuleChange,
    events_of,
)
from kaboom.notify.setup import build_sealer, make_test, seal_url
from kaboom.notify.store import open_notifications
from kaboom.notify.views import (
    ChannelList,
    ChannelView,
    MessagePage,
    MessageView,
    NotedAlerts,
    RuleList,
    RuleView,
    view_channel,
    view_message,
    view_rule,
)
from kaboom.web.auth.changes import Action, logged_as
from kaboom.web.auth.scopes import Scope
from kaboom.web.errors import CONFLICT, INVALID, NOT_FOUND, OF_BODY, describe_problems
from kaboom.web.routers import FeatureRouter, hex_id, link_next

PREFIX = "/api/v1/notifications"
ADMIN = [needs(Scope.ADMIN)]
BODY = describe_problems(*OF_BODY, CONFLICT)
ChannelId = Annotated[str, hex_id("channel_id", "channel")]

#: The channels, rules, events and messages.
Stores = Annotated[Notifications, opened(open_notifications)]

router = FeatureRouter(prefix=PREFIX, tags=["notifications"])
one = APIRouter(prefix="/channels/{channel_id}", responses=describe_problems(NOT_FOUND, INVALID))
_WEEK = timedelta(days=7)
_MESSAGE_ID = re.compile("msg_[0-9a-f]{32}")


RuleId = Annotated[str, hex_id("rule_id", "rule")]
MessageId = Annotated[str, Path(max_length=64, description="msg_ and 32 hex digits")]
_ONE = describe_problems(NOT_FOUND, INVALID)
_CHANGES: dict[int | str, dict[str, Any]] = _ONE | BODY


@router.get("/channels", dependencies=ADMIN)
async def list_channels(notifications: Stores, caller: Caller) -> ChannelList:
    """List all channels, by name; their URLs are never shown."""
    found = await notifications.rules.list_channels(caller.owner)
    return ChannelList(items=[view_channel(channel) for channel in found])


@router.post("/channels", status_code=status.HTTP_201_CREATED, responses=BODY, dependencies=ADMIN)
@logged_as(Action.CREATE_CHANNEL)
async def create_channel(
    jobs: Jobs, notifications: Stores, caller: Caller, body: NewChannel, response: Response
) -> ChannelView:
    """Create a channel: an apprise URL, or a URL that receives signed webhooks. The URL is stored encrypted."""
    parts, kind = jobs.parts, ChannelKind(body.kind)
    url = await seal_url(kind, body.url, build_sealer(parts.settings), parts.callbacks)
    channel = Channel(
        channel_id=uuid4().hex,
        owner=caller.owner,
        name=body.name,
        kind=kind,
        service=url.service,
        host=url.host,
        sealed=url.sealed,
        is_enabled=body.is_enabled,
    )
    kept = await notifications.rules.add_channel(channel)
    response.headers["Location"] = f"{PREFIX}/channels/{kept.channel_id}"
    return view_channel(kept)


@one.get("", dependencies=ADMIN)
async def get_channel(notifications: Stores, caller: Caller, channel_id: ChannelId) -> ChannelView:
    """Show one channel, without its URL."""
    return view_channel(await notifications.rules.load_channel(caller.owner, channel_id))


@one.patch("", responses=BODY, dependencies=ADMIN)
@logged_as(Action.CHANGE_CHANNEL)
async def change_channel(
    jobs: Jobs, notifications: Stores, caller: Caller, channel_id: ChannelId, body: ChannelChange
) -> ChannelView:
    """Rename a channel, replace its URL, or turn it on or off; waiting messages are sent when it is on again."""
    parts = jobs.parts
    channel = await notifications.rules.load_channel(caller.owner, channel_id)
    values: dict[str, Any] = body.model_dump(include={"name", "is_enabled"}, exclude_none=True)
    if body.url is not None:
        url = await seal_url(channel.kind, body.url, build_sealer(parts.settings), parts.callbacks)
        values |= {"service": url.service, "host": url.host, "sealed": url.sealed}
    changed = await notifications.rules.change_channel(caller.owner, channel_id, values)
    return view_channel(changed)


@one.delete("", status_code=status.HTTP_204_NO_CONTENT, responses=describe_problems(CONFLICT), dependencies=ADMIN)
@logged_as(Action.DELETE_CHANNEL)
async def delete_channel(notifications: Stores, caller: Caller, channel_id: ChannelId) -> None:
    """Delete a channel and its messages; a channel that a rule uses cannot be deleted."""
    await notifications.rules.delete_channel(caller.owner, channel_id)


@one.post("/test", status_code=status.HTTP_202_ACCEPTED, dependencies=ADMIN)
@logged_as(Action.SEND_TEST)
async def send_test(notifications: Stores, caller: Caller, channel_id: ChannelId, language: Preferred) -> MessageView:
    """Send a test through a channel, in the language of Accept-Language; get the message again to see its result."""
    channel = await notifications.rules.load_channel(caller.owner, channel_id)
    message, event = make_test(caller.owner, channel, language)
    kept = await notifications.log.add_message(message, event)
    return view_message(kept, {event.event_id: event}, language)


router.include_router(one)


@router.post(
    "/alertmanager",
    status_code=status.HTTP_202_ACCEPTED,
    responses=describe_problems(*OF_BODY),
    dependencies=[needs(Scope.ALERTS_WRITE)],
)
@logged_as(Action.TAKE_ALERTS)
async def take_alerts(notifications: Stores, caller: Caller, body: AlertmanagerPost) -> NotedAlerts:
    """Receive a webhook of Alertmanager (version 4): a firing alert is one event, and its end is another."""
    await notifications.events.note(events_of(body, caller.owner))
    return NotedAlerts(alerts=len(body.alerts))


@router.get("/rules", dependencies=ADMIN)
async def list_rules(notifications: Stores, caller: Caller) -> RuleList:
    """List all rules, by name, and how many messages each sent in seven days."""
    found, sent = await asyncio.gather(
        notifications.rules.list_rules(caller.owner), notifications.log.count_sent(caller.owner, utc_now() - _WEEK)
    )
    return RuleList(items=[view_rule(rule, sent.get(rule.rule_id, 0)) for rule in found])


@router.post("/rules", status_code=status.HTTP_201_CREATED, responses=_CHANGES, dependencies=ADMIN)
@logged_as(Action.CREATE_RULE)
async def create_rule(notifications: Stores, caller: Caller, body: NewRule, response: Response) -> RuleView:
    """Add a rule: events that match it from now on are sent to its channel."""
    rule = Rule(rule_id=uuid4().hex, owner=caller.owner, **_values_of(body))
    kept = await notifications.rules.add_rule(rule)
    response.headers["Location"] = f"{PREFIX}/rules/{kept.rule_id}"
    return view_rule(kept, 0)


@router.get("/rules/{rule_id}", responses=_ONE, dependencies=ADMIN)
async def get_rule(notifications: Stores, caller: Caller, rule_id: RuleId) -> RuleView:
    """Show one rule."""
    return await _view(notifications.log, await notifications.rules.load_rule(caller.owner, rule_id))


@router.put("/rules/{rule_id}", responses=_CHANGES, dependencies=ADMIN)
@logged_as(Action.REPLACE_RULE)
async def replace_rule(notifications: Stores, caller: Caller, rule_id: RuleId, body: NewRule) -> RuleView:
    """Replace the values of a rule; waiting messages do not change."""
    return await _view(
        notifications.log, await notifications.rules.change_rule(caller.owner, rule_id, _values_of(body))
    )


@router.patch("/rules/{rule_id}", responses=_CHANGES, dependencies=ADMIN)
@logged_as(Action.SWITCH_RULE)
async def switch_rule(notifications: Stores, caller: Caller, rule_id: RuleId, body: RuleChange) -> RuleView:
    """Turn a rule on or off; events that happen while it is off are not sent later."""
    values = {"is_enabled": body.is_enabled}
    return await _view(notifications.log, await notifications.rules.change_rule(caller.owner, rule_id, values))


@router.delete("/rules/{rule_id}", status_code=status.HTTP_204_NO_CONTENT, responses=_ONE, dependencies=ADMIN)
@logged_as(Action.DELETE_RULE)
async def delete_rule(notifications: Stores, caller: Caller, rule_id: RuleId) -> None:
    """Delete a rule; its waiting messages are still sent."""
    await notifications.rules.delete_rule(caller.owner, rule_id)


@router.get("/messages", responses=describe_problems(INVALID), dependencies=ADMIN)
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


@router.get("/messages/{message_id}", responses=_ONE, dependencies=ADMIN)
async def get_message(notifications: Stores, caller: Caller, message_id: MessageId, language: Preferred) -> MessageView:
    """Show one message."""
    log = notifications.log
    message = await _find(log, caller.owner, message_id)
    return view_message(message, await log.load_events(message.event_ids[:20]), language)


@router.post(
    "/messages/{message_id}/replay",
    status_code=status.HTTP_202_ACCEPTED,
    responses=_ONE | describe_problems(CONFLICT),
    dependencies=ADMIN,
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
