"""The ports to notifications: what an operator sets up, and what is told."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

from app.ledger.notifications.model import Channel, Claimed, Event, Message, MessageQuery, Placement, Rule
from app.ledger.outbox.port import AttemptEnd, DeliveryStatus

#: Of each owner.
MAX_CHANNELS, MAX_RULES = 50, 100
#: How long a message belongs to the process that claimed it; an attempt takes 20 s at most.
LEASE = timedelta(seconds=60)
#: How long a channel rests after its first failure; each further one doubles that, up to the second number.
FIRST_REST_S, LONGEST_REST_S = 5.0, 300.0
#: How long messages that have ended are kept, and events.
KEPT = timedelta(days=30)
#: How many events are routed in one transaction.
ROUTE_STEP = 100

#: From an event and the enabled rules to where it goes; pure.
type Route = Callable[[Event, Sequence[Rule]], Sequence[Placement]]


class NotificationRules(Protocol):
    """Channels and rules. Each method is one transaction; all raise StoreError where it cannot be reached."""

    async def add_channel(self, channel: Channel) -> Channel:
        """Keep a new channel.

        Raises:
            Conflict: the owner has one of this name, or MAX_CHANNELS.

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
        """Change some fields of a channel, and end its rest.

        Raises:
            NotFound: the owner has no such channel.
            Conflict: the owner has another one of this name.

        """
        ...

    async def delete_channel(self, owner: str, channel_id: str) -> None:
        """Drop a channel with its messages.

        Raises:
            NotFound: the owner has no such channel.
            Conflict: a rule uses it.

        """
        ...

    async def add_rule(self, rule: Rule) -> Rule:
        """Keep a new rule.

        Raises:
            NotFound: the owner has no such channel.
            Conflict: the owner has a rule of this name, or MAX_RULES.

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
        """Change some fields of a rule; messages that were made stay as they are.

        Raises:
            NotFound: the owner has no such rule, or no such channel.
            Conflict: the owner has another one of this name.

        """
        ...

    async def delete_rule(self, owner: str, rule_id: str) -> None:
        """Drop a rule; messages that were made stay.

        Raises:
            NotFound: the owner has no such rule.

        """
        ...


class NotificationLog(Protocol):
    """Events and messages. Each method is one transaction; all raise StoreError where it cannot be reached.

    `now` is the time of the caller's clock.
    """

    async def note(self, events: Sequence[Event]) -> None:
        """Keep events, where any rule is enabled; one whose id is kept already stays as it is."""
        ...

    async def fan_out(self, route: Route, now: datetime) -> int:
        """Put up to ROUTE_STEP new events into messages of the rules that they pass; return how many events.

        An event is routed once, whoever else routes at the same time.
        """
        ...

    async def add_message(self, message: Message, event: Event) -> Message:
        """Keep a message that no rule made, with its event."""
        ...

    async def due_channels(self, now: datetime) -> list[tuple[str, str]]:
        """Return the (owner, id) of enabled channels that do not rest and have a message to send."""
        ...

    async def claim(self, channel_id: str, now: datetime) -> Claimed | None:
        """Take the due message of a channel that waits longest, for LEASE; None where there is none, or it rests.

        An attempt is counted, and the events of the message are fixed.
        """
        ...

    async def save_attempt(self, message: Message, end: AttemptEnd, *, took_ms: int, now: datetime) -> bool:
        """Keep what became of an attempt; False where another attempt has begun.

        After a failure that is retried the channel rests, and after a delivery it does not.
        """
        ...

    async def list_messages(self, query: MessageQuery) -> list[Message]:
        """Return the messages that a query asks for, newest first."""
        ...

    async def load_message(self, owner: str, message_id: str) -> Message | None:
        """Return a message of an owner."""
        ...

    async def load_events(self, event_ids: Sequence[str]) -> dict[str, Event]:
        """Return events by their ids; those that were dropped are left out."""
        ...

    async def count_sent(self, owner: str, since: datetime) -> dict[str, int]:
        """Return how many messages each rule of an owner has delivered since a time."""
        ...

    async def replay(self, owner: str, message_id: str, now: datetime) -> Message | None:
        """Make a message that has ended due now, with all its attempts; None where it has not ended."""
        ...

    async def purge(self, now: datetime) -> int:
        """Drop messages and events that are older than KEPT; return how many."""
        ...


class Notifications(NamedTuple):
    """Both stores of notifications."""

    rules: NotificationRules
    log: NotificationLog


def no_channel(channel_id: str) -> str:
    """Return the message of a channel that an owner does not have."""
    return f"channel {channel_id!r} does not exist: an id is 32 hex digits"


def no_rule(rule_id: str) -> str:
    """Return the message of a rule that an owner does not have."""
    return f"rule {rule_id!r} does not exist: an id is 32 hex digits"


def name_taken(what: str, name: str) -> str:
    """Return the message of a name that another channel or rule has."""
    return f"a {what} named {name!r} is there already, expected another name"


def too_many(what: str, most: int) -> str:
    """Return the message of an owner who has as many channels or rules as are allowed."""
    return f"there are {most} {what} already, which is the limit"


def in_use(name: str) -> str:
    """Return the message of a channel that a rule uses."""
    return f"channel {name!r} is used by a rule: delete the rule first, or give it another channel"


def rest_s(failures: int) -> float:
    """Return how long a channel rests after so many failures in a row."""
    return min(FIRST_REST_S * 2.0 ** min(failures - 1, 10), LONGEST_REST_S)


def channel_changes(end: AttemptEnd, failures: int, now: datetime) -> dict[str, Any]:
    """Return what an attempt changes in its channel, which had so many failures in a row before.

    It rests after a failure, no longer rests after a delivery, and is turned off where it is gone for good.
    """
    if end.status is DeliveryStatus.PENDING:
        return {"failures": failures + 1, "rests_until": now + timedelta(seconds=rest_s(failures + 1))}
    if end.status is DeliveryStatus.DELIVERED:
        return {"failures": 0, "rests_until": None}
    return {"is_enabled": False} if end.http_status == HTTPStatus.GONE else {}
