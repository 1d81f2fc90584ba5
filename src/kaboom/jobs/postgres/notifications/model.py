"""The events, rules, channels and messages of the ledger. Times are aware UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from kaboom.jobs.postgres.outbox.port import DeliveryStatus

#: A channel that failed so often in a row is reported: with the pauses between, after two minutes.
MANY_FAILURES = 5


class EventKind(StrEnum):
    """The kind of an event; `kaboom.text.tables` has the titles."""

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
        event_id: built from the facts, so that it is the same for every process that reports the event, each time.
        owner: the owner whose rules apply; "" if the rules of all owners apply.
        data: short texts and numbers, which the filters of rules check.

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
        service: the service, such as `slack` or `mailtos`; `webhook` for a signed webhook.
        host: the host that it sends to; "" if the host is a secret.
        sealed: the encrypted URL, which may contain passwords.
        rests_until: until when nothing is sent after a failed attempt.
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

    @property
    def is_failing(self) -> bool:
        """Whether it is on, and delivers nothing any more."""
        return self.is_enabled and self.failures >= MANY_FAILURES


@dataclass(frozen=True, slots=True)
class Rule:
    """Which events are sent to a channel, and when. Times of day are HH:MM in Japan.

    Attributes:
        only: values of an event's data, by name; an event passes if each name has one of its values.
        quiet_from, quiet_until: messages wait between these times; both are set or neither.
        digest_at: events are collected into one message until this time of day.
        digest_minutes: instead of `digest_at`: the length of each collection period in minutes, from midnight on.
        deadline: for `data_incomplete`: the time by which a session's data must be complete.

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
    """The message that an event is put into: its rule and its due time; events with the same key share a message."""

    rule: Rule
    key: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one channel, with one event or with all events of a digest.

    Attributes:
        message_id: the same for each attempt, so that receivers can detect repeated messages.
        place: the sort key and the cursor of lists; a newer message has a higher one.
        rule_id, rule_name: the rule that created it; "" for a test.
        status: `waiting` until the first attempt; until then a digest accepts more events.
        attempts: attempts started since the last replay.
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
    """The messages to list, newest first; `before` is the place of the last message already seen."""

    owner: str
    statuses: frozenset[DeliveryStatus] = frozenset()
    rule_id: str | None = None
    channel_id: str | None = None
    before: int | None = None
    limit: int = 50
