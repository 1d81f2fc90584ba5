"""`/api/v1/notifications`: channels, test messages, and alerts of Alertmanager."""

from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Response, status

from kaboom.jobs.deps import Caller, Jobs, Preferred, needs, opened
from kaboom.notify.model import Channel, ChannelKind, Notifications
from kaboom.notify.schemas import AlertmanagerPost, ChannelChange, NewChannel, events_of
from kaboom.notify.setup import build_sealer, make_test, seal_url
from kaboom.notify.store import open_notifications
from kaboom.notify.views import ChannelList, ChannelView, MessageView, NotedAlerts, view_channel, view_message
from kaboom.web.auth.changes import Action, logged_as
from kaboom.web.auth.scopes import Scope
from kaboom.web.errors import CONFLICT, INVALID, NOT_FOUND, OF_BODY, describe_problems
from kaboom.web.routers import FeatureRouter, hex_id

PREFIX = "/api/v1/notifications"
ADMIN = [needs(Scope.ADMIN)]
BODY = describe_problems(*OF_BODY, CONFLICT)
ChannelId = Annotated[str, hex_id("channel_id", "channel")]

#: The channels, rules, events and messages.
Stores = Annotated[Notifications, opened(open_notifications)]

router = FeatureRouter(prefix=PREFIX, tags=["notifications"])
one = APIRouter(prefix="/channels/{channel_id}", responses=describe_problems(NOT_FOUND, INVALID))


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
