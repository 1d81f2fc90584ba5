"""Channels, rules and messages as the API shows them: never the URL of a channel."""

from collections.abc import Mapping

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from kaboom.jobs.postgres.events import Event, EventKind
from kaboom.jobs.postgres.outbox import DeliveryStatus
from kaboom.notify import examples
from kaboom.notify.model import Channel, ChannelKind, Message, Rule
from kaboom.notify.texts import title_of
from kaboom.text.language import Language
from kaboom.web.routers import view_of


class ChannelView(BaseModel):
    """A channel; its URL, which may hold passwords, is never shown."""

    model_config = ConfigDict(json_schema_extra={"example": examples.CHANNEL})

    id: str
    name: str
    kind: ChannelKind
    service: str = Field(description="such as slack or mailtos; webhook for a signed webhook")
    host: str = Field(description="where it leads; empty where that would tell a secret")
    is_enabled: bool
    failures: int = Field(description="failed attempts since the last delivery")
    rests_until: AwareDatetime | None = Field(description="nothing is sent until then")
    created_at: AwareDatetime
    updated_at: AwareDatetime


class ChannelList(BaseModel):
    """All channels, by name."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [examples.CHANNEL]}})

    items: list[ChannelView]


class RuleView(BaseModel):
    """A rule; times of day are Japan's."""

    model_config = ConfigDict(json_schema_extra={"example": examples.RULE})

    id: str
    name: str
    channel_id: str
    events: list[EventKind]
    only: dict[str, list[str]]
    quiet_from: str | None
    quiet_until: str | None
    digest_at: str | None
    digest_minutes: int | None
    deadline: str | None
    language: Language
    is_enabled: bool
    sent_7d: int = Field(description="messages delivered in the last seven days")
    created_at: AwareDatetime
    updated_at: AwareDatetime


class RuleList(BaseModel):
    """All rules, by name."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [examples.RULE]}})

    items: list[RuleView]


class EventView(BaseModel):
    """An event; the title is in the language of Accept-Language."""

    model_config = ConfigDict(json_schema_extra={"example": examples.EVENT})

    id: str
    kind: EventKind
    at: AwareDatetime
    title: str
    data: dict[str, str | int]


class MessageView(BaseModel):
    """One message to one channel; `last_status` is null if the receiver did not answer."""

    model_config = ConfigDict(json_schema_extra={"example": examples.MESSAGE})

    id: str = Field(description="the same at each attempt: receivers recognise a repetition by it")
    channel_id: str
    rule_id: str = Field(description="empty for a test")
    rule_name: str
    status: DeliveryStatus
    attempts: int
    last_status: int | None
    last_error: str | None
    took_ms: int | None
    created_at: AwareDatetime
    next_attempt_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    count: int = Field(description="how many events it tells")
    events: list[EventView] = Field(description="those that are still kept, the first 20")


class MessagePage(BaseModel):
    """Some messages, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [examples.MESSAGE], "next_cursor": None}})

    items: list[MessageView]
    next_cursor: str | None


class NotedAlerts(BaseModel):
    """How many alerts were received."""

    model_config = ConfigDict(json_schema_extra={"example": examples.NOTED})

    alerts: int


_SHOWN = 20


def view_channel(channel: Channel) -> ChannelView:
    """Return a channel as the API shows it, without its URL."""
    return view_of(ChannelView, channel, id=channel.channel_id)


def view_rule(rule: Rule, sent: int) -> RuleView:
    """Return a rule as the API shows it."""
    only = {name: list(found) for name, found in rule.only.items()}
    return view_of(RuleView, rule, id=rule.rule_id, events=list(rule.events), only=only, sent_7d=sent)


def view_message(message: Message, events: Mapping[str, Event], language: Language) -> MessageView:
    """Return a message as the API shows it, with those of its events that are still kept."""
    known = [events[event_id] for event_id in message.event_ids[:_SHOWN] if event_id in events]
    shown = [_view_event(event, language) for event in known]
    return view_of(MessageView, message, id=message.message_id, count=len(message.event_ids), events=shown)


def _view_event(event: Event, language: Language) -> EventView:
    return view_of(EventView, event, id=event.event_id, title=title_of(event, language), data=dict(event.data))
