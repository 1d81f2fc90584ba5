"""The events, rules, channels and messages of the ledger, and the ports to them. Times are aware UTC."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Literal, NamedTuple, Protocol

from kaboom.drivers.retry import backoff_s
from kaboom.jobs.postgres.events import Event, EventKind, EventOutbox
from kaboom.jobs.postgres.outbox import AttemptEnd, DeliveryStatus

#: A channel that failed so often in a row is reported: with the pauses between, after two minutes.
MANY_FAILURES = 5


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


#: Per owner.
MAX_CHANNELS, MAX_RULES = 50, 100
#: How long a claim of a message lasts; an attempt takes at most 20 s.
LEASE = timedelta(seconds=60)
#: How long a channel pauses after its first failure; each further failure doubles the pause, up to the second number.
FIRST_REST_S, LONGEST_REST_S = 5.0, 300.0
#: How long ended messages are kept; events are kept twice as long.
KEPT = timedelta(days=30)
#: How many events are routed in one transaction.
ROUTE_STEP = 100

#: Returns the placements of an event, given the enabled rules; does no I/O.
type Route = Callable[[Event, Sequence[Rule]], Sequence[Placement]]


class NotificationRules(Protocol):
    """Channels and rules. Each method is one transaction; all raise StoreError when the ledger is unavailable.

    They raise NotFound if the owner has no channel or no rule with a given id.
    """

    async def add_channel(self, channel: Channel) -> Channel:
        """Save a new channel.

        Raises:
            Conflict: the owner has a channel of this name, or has MAX_CHANNELS channels.

        """
        ...

    async def list_channels(self, owner: str) -> list[Channel]:
        """Return the channels of an owner, by name."""
        ...

    async def load_channel(self, owner: str, channel_id: str) -> Channel:
        """Return a channel of an owner."""
        ...

    async def change_channel(self, owner: str, channel_id: str, values: Mapping[str, Any]) -> Channel:
        """Change some fields of a channel, and end its pause.

        Raises:
            Conflict: the owner has another channel of this name.

        """
        ...

    async def delete_channel(self, owner: str, channel_id: str) -> None:
        """Delete a channel with its messages.

        Raises:
            Conflict: a rule uses the channel.

        """
        ...

    async def add_rule(self, rule: Rule) -> Rule:
        """Save a new rule.

        Raises:
            Conflict: the owner has a rule of this name, or has MAX_RULES rules.

        """
        ...

    async def list_rules(self, owner: str) -> list[Rule]:
        """Return the rules of an owner, by name."""
        ...

    async def list_deadlines(self) -> set[str]:
        """Return the deadlines of all enabled rules of all owners."""
        ...

    async def load_rule(self, owner: str, rule_id: str) -> Rule:
        """Return a rule of an owner."""
        ...

    async def change_rule(self, owner: str, rule_id: str, values: Mapping[str, Any]) -> Rule:
        """Change some fields of a rule; existing messages stay unchanged.

        Raises:
            Conflict: the owner has another rule of this name.

        """
        ...

    async def delete_rule(self, owner: str, rule_id: str) -> None:
        """Drop a rule; its existing messages stay."""
        ...


class NotificationLog(Protocol):
    """Events and messages. Each method is one transaction; all raise StoreError when the ledger is unavailable.

    `now` is the time of the caller's clock.
    """

    async def fan_out(self, route: Route, now: datetime) -> int:
        """Put up to ROUTE_STEP new events into messages of the rules that match; return the number of events.

        An event is routed once, even if several processes route at the same time.
        """
        ...

    async def add_message(self, message: Message, event: Event) -> Message:
        """Save a message without a rule, with its event."""
        ...

    async def due_channels(self, now: datetime) -> list[tuple[str, str]]:
        """Return the (owner, id) of enabled channels that are not paused and have a message to send."""
        ...

    async def claim(self, channel_id: str, now: datetime) -> Claimed | None:
        """Claim the oldest due message of a channel for LEASE; None if no message is due, or the channel is paused.

        This counts an attempt. From now on the events of the message do not change.
        """
        ...

    async def save_attempt(self, message: Message, end: AttemptEnd, *, took_ms: int, now: datetime) -> bool:
        """Save the result of an attempt; return False if another attempt has started.

        A failure that will be retried pauses the channel, and a delivery ends the pause.
        """
        ...

    async def list_messages(self, query: MessageQuery) -> list[Message]:
        """Return the messages that match a query, newest first."""
        ...

    async def load_message(self, owner: str, message_id: str) -> Message | None:
        """Return a message of an owner."""
        ...

    async def load_events(self, event_ids: Sequence[str]) -> dict[str, Event]:
        """Return events by their ids, without those that were purged."""
        ...

    async def count_sent(self, owner: str, since: datetime) -> dict[str, int]:
        """Return how many messages each rule of an owner has delivered since a time."""
        ...

    async def replay(self, owner: str, message_id: str, now: datetime) -> Message | None:
        """Make an ended message due now, and reset its attempts; return None if it has not ended."""
        ...

    async def purge(self, now: datetime) -> int:
        """Drop messages and events that have been kept long enough (KEPT); return how many."""
        ...


class Notifications(NamedTuple):
    """The stores of notifications."""

    rules: NotificationRules
    log: NotificationLog
    events: EventOutbox


def in_use(name: str) -> str:
    """Return the message for a channel that a rule uses."""
    return f"channel {name!r} is used by a rule: delete the rule first, or give it another channel"


def channel_changes(end: AttemptEnd, failures: int, now: datetime) -> dict[str, Any]:
    """Return the fields of a channel that an attempt changes; `failures` is the number of failures in a row before it.

    A failure pauses the channel, a delivery ends the pause, and HTTP status 410 disables the channel.
    """
    if end.status is DeliveryStatus.PENDING:
        rest_s = backoff_s(failures, first_s=FIRST_REST_S, longest_s=LONGEST_REST_S, jitter=0.0)
        return {"failures": failures + 1, "rests_until": now + timedelta(seconds=rest_s)}
    if end.status is DeliveryStatus.DELIVERED:
        return {"failures": 0, "rests_until": None}
    return {"is_enabled": False} if end.http_status == HTTPStatus.GONE else {}
