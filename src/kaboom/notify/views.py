"""Channels, rules and messages as the API shows them: never the URL of a channel."""

from collections.abc import Mapping

from pydantic import AwareDatetime, BaseModel, Field

from kaboom.jobs.postgres.events import Event, EventKind
from kaboom.jobs.postgres.outbox import DeliveryStatus
from kaboom.notify.model import Channel, ChannelKind, Message, Rule
from kaboom.notify.texts import title_of
from kaboom.text.catalogue import Language
from kaboom.web.routers import view_of


class ChannelView(BaseModel):
    """A channel; its URL, which may hold passwords, is never shown."""

    id: str = Field(examples=["9d8e2f3b4c5d6e7f80903f1c0f5a6b4a"])
    name: str = Field(examples=["data-ops"])
    kind: ChannelKind = Field(examples=["apprise"])
    service: str = Field(description="such as slack or mailtos; webhook for a signed webhook", examples=["slack"])
    host: str = Field(description="where it leads; empty where that would tell a secret", examples=[""])
    is_enabled: bool = Field(examples=[True])
    failures: int = Field(description="failed attempts since the last delivery", examples=[0])
    rests_until: AwareDatetime | None = Field(description="nothing is sent until then")
    created_at: AwareDatetime = Field(examples=["2026-11-25T07:35:00Z"])
    updated_at: AwareDatetime = Field(examples=["2026-11-25T07:35:00Z"])


class ChannelList(BaseModel):
    """All channels, by name."""

    items: list[ChannelView]


class RuleView(BaseModel):
    """A rule; times of day are Japan's."""

    id: str = Field(examples=["5c6d7e8f80903f1c0f5a6b4a9d8e2f3b"])
    name: str = Field(examples=["A job failed or is partial"])
    channel_id: str = Field(examples=["9d8e2f3b4c5d6e7f80903f1c0f5a6b4a"])
    events: list[EventKind] = Field(examples=[["job_ended"]])
    only: dict[str, list[str]] = Field(examples=[{"status": ["failed", "partial"]}])
    quiet_from: str | None = Field(examples=["22:00"])
    quiet_until: str | None = Field(examples=["07:00"])
    digest_at: str | None
    digest_minutes: int | None
    deadline: str | None
    language: Language = Field(examples=["ja"])
    is_enabled: bool = Field(examples=[True])
    sent_7d: int = Field(description="messages delivered in the last seven days", examples=[5])
    created_at: AwareDatetime = Field(examples=["2026-11-25T07:35:00Z"])
    updated_at: AwareDatetime = Field(examples=["2026-11-25T07:35:00Z"])


class RuleList(BaseModel):
    """All rules, by name."""

    items: list[RuleView]


class EventView(BaseModel):
    """An event; the title is in the language of Accept-Language."""

    id: str = Field(examples=["job_ended:dc84d88371794773b929d2957f6a663b"])
    kind: EventKind = Field(examples=["job_ended"])
    at: AwareDatetime = Field(examples=["2026-11-25T07:35:00Z"])
    title: str = Field(examples=["Job dc84d883 partial: ingest.run_daily"])
    data: dict[str, str | int] = Field(
        examples=[
            {
                "job_id": "dc84d88371794773b929d2957f6a663b",
                "queue": "ingest",
                "task": "ingest.run_daily",
                "market": "TSE_PRIME",
                "status": "partial",
                "done": 1589,
                "failed": 13,
                "total": 1602,
                "error": "13 of 1602 items failed; first cause: the provider answered 503",
            }
        ]
    )


class MessageView(BaseModel):
    """One message to one channel; `last_status` is null if the receiver did not answer."""

    id: str = Field(
        description="the same at each attempt: receivers recognise a repetition by it",
        examples=["msg_0b6f3c1d9c8e4f5aa7d2b1e0c9f8a7d6"],
    )
    channel_id: str = Field(examples=["9d8e2f3b4c5d6e7f80903f1c0f5a6b4a"])
    rule_id: str = Field(description="empty for a test", examples=["5c6d7e8f80903f1c0f5a6b4a9d8e2f3b"])
    rule_name: str = Field(examples=["A job failed or is partial"])
    status: DeliveryStatus = Field(examples=["dead"])
    attempts: int = Field(examples=[10])
    last_status: int | None = Field(examples=[503])
    last_error: str | None = Field(examples=["the receiver answered 503"])
    took_ms: int | None = Field(examples=[84])
    created_at: AwareDatetime = Field(examples=["2026-11-25T07:35:00Z"])
    next_attempt_at: AwareDatetime | None
    ended_at: AwareDatetime | None = Field(examples=["2026-11-25T23:40:12Z"])
    count: int = Field(description="how many events it tells", examples=[1])
    events: list[EventView] = Field(description="those that are still kept, the first 20")


class MessagePage(BaseModel):
    """Some messages, newest first."""

    items: list[MessageView]
    next_cursor: str | None


class NotedAlerts(BaseModel):
    """How many alerts were received."""

    alerts: int = Field(examples=[1])


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
