"""Events, rules, channels and messages as the ledger keeps them. Times are aware UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from app.ledger.outbox.port import DeliveryStatus


class EventKind(StrEnum):
    """The kinds of events; `app.words.notifications` has their titles."""

    JOB_ENDED = "job_ended"
    DATA_INCOMPLETE = "data_incomplete"
    BARS_CORRECTED = "bars_corrected"
    BARS_QUARANTINED = "bars_quarantined"
    SPLIT_SUSPECTED = "split_suspected"
    AI_BUDGET = "ai_budget"
    PROVIDER_BLOCKED = "provider_blocked"
    WORKER_LOST = "worker_lost"
    LOGIN_STORM = "login_storm"
    ALERT = "alert"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened once.

    Attributes:
        event_id: derived from the event itself, so that all processes that notice it use the same id.
        owner: whose rules may match it; "" for an event of the whole system.
        data: short texts and numbers; a rule's filter looks at these.

    """

    event_id: str
    kind: EventKind
    at: datetime
    owner: str = ""
    data: Mapping[str, str | int] = field(default_factory=dict)


class ChannelKind(StrEnum):
    """How a channel sends."""

    APPRISE = "apprise"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Channel:
    """A receiver of messages.

    Attributes:
        service: which service it is, such as `slack` or `mailtos`; `webhook` for a signed webhook.
        host: the host of its URL; "" if that is a secret.
        sealed: the encrypted URL, which may hold passwords.
        rests_until: nothing is sent until then, because an attempt failed.
        failures: failed attempts since the last delivery.

    """

    channel_id: str
    owner: str
    name: str
    kind: ChannelKind
    service: str
    host: str
    sealed: bytes = field(repr=False)
    is_enabled: bool = True
    rests_until: datetime | None = None
    failures: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Which events are sent to a channel, and when. Times of day are HH:MM in Japan.

    Attributes:
        only: filters by name; an event matches if its data has one of the listed values for each name.
        quiet_from, quiet_until: the quiet time, in which messages wait; both or neither.
        digest_at: events are collected until this time of day.
        digest_minutes: or events are collected for this many minutes, counted from midnight.
        deadline: of `data_incomplete`: by when a session's data must be complete.

    """

    rule_id: str
    owner: str
    name: str
    channel_id: str
    events: tuple[EventKind, ...]
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    quiet_from: str | None = None
    quiet_until: str | None = None
    digest_at: str | None = None
    digest_minutes: int | None = None
    deadline: str | None = None
    language: Literal["en", "ja"] = "ja"
    is_enabled: bool = True
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """The message that an event is put into. Events with the same key share a message."""

    rule: Rule
    key: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one channel, about one event or those of a digest.

    Attributes:
        message_id: the same at each attempt; receivers recognise a repetition by it.
        place: grows from one message to the next; the cursor of a list.
        rule_id, rule_name: the rule that made it; "" for a test.
        status: `waiting` until the first attempt, during which a digest takes more events.
        attempts: attempts begun, since the last replay.
        took_ms: how long the last attempt took.

    """

    message_id: str
    owner: str
    channel_id: str
    key: str
    event_ids: tuple[str, ...]
    rule_id: str = ""
    rule_name: str = ""
    language: Literal["en", "ja"] = "ja"
    place: int = 0
    status: DeliveryStatus = DeliveryStatus.WAITING
    attempts: int = 0
    last_status: int | None = None
    last_error: str | None = None
    took_ms: int | None = None
    created_at: datetime | None = None
    next_attempt_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message to send now, with its channel and its events in order."""

    message: Message
    channel: Channel
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class MessageQuery:
    """Which messages to list, newest first; `before` is the place of the last one already seen."""

    owner: str
    statuses: frozenset[DeliveryStatus] = frozenset()
    rule_id: str | None = None
    channel_id: str | None = None
    before: int | None = None
    limit: int = 50
