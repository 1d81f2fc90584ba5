"""The ports to notifications: channels and rules, events and messages."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

from app.ledger.notifications.model import Channel, Claimed, Event, Message, MessageQuery, Placement, Rule
from app.ledger.outbox.port import AttemptEnd, DeliveryStatus

#: Of each owner.
MAX_CHANNELS, MAX_RULES = 50, 100
#: How long a claim of a message lasts; an attempt takes at most 20 s.
LEASE = timedelta(seconds=60)
#: How long a channel rests after its first failure; each further failure doubles this, up to the second number.
FIRST_REST_S, LONGEST_REST_S = 5.0, 300.0
#: How long events and ended messages are kept.
KEPT = timedelta(days=30)
#: How many events are routed in one transaction.
ROUTE_STEP = 100

#: Returns the messages that an event is put into, from the enabled rules; pure.
type Route = Callable[[Event, Sequence[Rule]], Sequence[Placement]]


class NotificationRules(Protocol):
    """Channels and rules. Each method is one transaction; all raise StoreError if the store is unavailable."""

    async def add_channel(self, channel: Channel) -> Channel:
        """Save a new channel.

        Raises:
            Conflict: the owner has a channel of this name, or already MAX_CHANNELS.

        """
        ...

    async def list_channels(self, owner: str) -> list[Channel]:
        """Return the channels of an owner, by name."""
        ...

    async def load_channel(self, owner: str, channel_id: str) -> Channel:
        """Return a channel of an owner.

        Raises:
            NotFound: the owner has no such channel.

        """
        ...

    async def change_channel(self, owner: str, channel_id: str, values: Mapping[str, Any]) -> Channel:
        """Change some fields of a channel, and end its pause after failures.

        Raises:
            NotFound: the owner has no such channel.
            Conflict: the owner has another item of this name.

        """
        ...

    async def delete_channel(self, owner: str, channel_id: str) -> None:
        """Delete a channel with its messages.

        Raises:
            NotFound: the owner has no such channel.
            Conflict: a rule uses it.

        """
        ...

    async def add_rule(self, rule: Rule) -> Rule:
        """Save a new rule.

        Raises:
            NotFound: the owner has no such channel.
            Conflict: the owner has a rule of this name, or already MAX_RULES.

        """
        ...

    async def list_rules(self, owner: str) -> list[Rule]:
        """Return the rules of an owner, by name."""
        ...

    async def list_deadlines(self) -> set[str]:
        """Return the deadlines of all enabled rules of all owners."""
        ...

    async def load_rule(self, owner: str, rule_id: str) -> Rule:
        """Return a rule of an owner.

        Raises:
            NotFound: the owner has no such rule.

        """
        ...

    async def change_rule(self, owner: str, rule_id: str, values: Mapping[str, Any]) -> Rule:
        """Change some fields of a rule; its existing messages do not change.

        Raises:
            NotFound: the owner has no such rule, or no such channel.
            Conflict: the owner has another item of this name.

        """
        ...

    async def delete_rule(self, owner: str, rule_id: str) -> None:
        """Delete a rule; its existing messages stay.

        Raises:
            NotFound: the owner has no such rule.

        """
        ...


class NotificationLog(Protocol):
    """Events and messages. Each method is one transaction; all raise StoreError if the store is unavailable.

    `now` is the time of the caller's clock.
    """

    async def note(self, events: Sequence[Event]) -> None:
        """Save events, if any rule is enabled; ignore events whose id is known."""
        ...

    async def fan_out(self, route: Route, now: datetime) -> int:
        """Put up to ROUTE_STEP new events into messages of the matching rules; return how many events.

        Each event is routed once, even if several processes route at the same time.
        """
        ...

    async def add_message(self, message: Message, event: Event) -> Message:
        """Save a message without a rule, with its event."""
        ...

    async def due_channels(self, now: datetime) -> list[tuple[str, str]]:
        """Return the (owner, id) of enabled channels that have a message to send and do not rest."""
        ...

    async def claim(self, channel_id: str, now: datetime) -> Claimed | None:
        """Claim the oldest due message of a channel for LEASE; None if there is none, or the channel rests.

        This counts an attempt, and the message takes no more events.
        """
        ...

    async def save_attempt(self, message: Message, end: AttemptEnd, *, took_ms: int, now: datetime) -> bool:
        """Save the result of an attempt; return False if another attempt has begun.

        The channel rests after a failure that is retried; a delivery ends its rest.
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
        """Make an ended message due now, with a full set of attempts; None if it has not ended."""
        ...

    async def purge(self, now: datetime) -> int:
        """Delete messages and events that are older than KEPT; return how many."""
        ...


class Notifications(NamedTuple):
    """Both stores of notifications."""

    rules: NotificationRules
    log: NotificationLog


def no_channel(channel_id: str) -> str:
    """Return the error message for an unknown channel."""
    return f"channel {channel_id!r} does not exist: an id is 32 hex digits"


def no_rule(rule_id: str) -> str:
    """Return the error message for an unknown rule."""
    return f"rule {rule_id!r} does not exist: an id is 32 hex digits"


def name_taken(what: str, name: str) -> str:
    """Return the error message for a name that is in use."""
    return f"a {what} named {name!r} is there already, expected another name"


def too_many(what: str, most: int) -> str:
    """Return the error message for too many channels or rules."""
    return f"there are {most} {what} already, which is the limit"


def in_use(name: str) -> str:
    """Return the error message for a channel that a rule uses."""
    return f"channel {name!r} is used by a rule: delete the rule first, or give it another channel"


def rest_s(failures: int) -> float:
    """Return how long a channel rests after this many failures in a row."""
    return min(FIRST_REST_S * 2.0 ** min(failures - 1, 10), LONGEST_REST_S)


def channel_changes(end: AttemptEnd, failures: int, now: datetime) -> dict[str, Any]:
    """Return the changes of a channel after an attempt; `failures` counts the failures in a row before it.

    The channel rests after a failure, stops resting after a delivery, and is disabled by HTTP 410 (gone).
    """
    if end.status is DeliveryStatus.PENDING:
        return {"failures": failures + 1, "rests_until": now + timedelta(seconds=rest_s(failures + 1))}
    if end.status is DeliveryStatus.DELIVERED:
        return {"failures": 0, "rests_until": None}
    return {"is_enabled": False} if end.http_status == HTTPStatus.GONE else {}
