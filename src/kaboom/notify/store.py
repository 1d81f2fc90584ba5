"""Open the notifications of a database; in memory they behave like those in PostgreSQL, and end with the process."""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from kaboom.drivers.clock import utc_now
from kaboom.drivers.postgres.database import Database, name_taken, too_many
from kaboom.errors import Conflict, NotFound
from kaboom.jobs.postgres.events import Event, MemoryEventOutbox, open_memory_events
from kaboom.jobs.postgres.opening import open_events
from kaboom.jobs.postgres.outbox import AttemptEnd, DeliveryStatus
from kaboom.notify.model import (
    KEPT,
    LEASE,
    MAX_CHANNELS,
    MAX_RULES,
    ROUTE_STEP,
    Channel,
    Claimed,
    Message,
    MessageQuery,
    Notifications,
    Placement,
    Route,
    Rule,
    channel_changes,
    in_use,
)


def open_notifications(database: Database) -> Notifications:
    """Return the notifications of a database."""
    if database.engine is None:
        log = MemoryNotificationLog(database.open(open_memory_events))
        return Notifications(log.rules, log, database.open(open_events))
    # SQLAlchemy is loaded with the first database in PostgreSQL.
    from kaboom.notify.postgres import PostgresNotificationLog, PostgresNotificationRules  # noqa: PLC0415

    rules = PostgresNotificationRules(database.engine)
    return Notifications(rules, PostgresNotificationLog(database.engine), database.open(open_events))


class MemoryNotificationRules:
    """`NotificationRules` in memory; `on_drop` is called with the id of each deleted channel."""

    def __init__(self, *, on_drop: Callable[[str], None]) -> None:
        self._on_drop = on_drop
        self.channels: dict[str, Channel] = {}
        self.rules: dict[str, Rule] = {}

    async def add_channel(self, channel: Channel) -> Channel:
        _check_new("channel", channel.name, await self.list_channels(channel.owner), MAX_CHANNELS)
        now = utc_now()
        self.channels[channel.channel_id] = replace(channel, created_at=now, updated_at=now)
        return self.channels[channel.channel_id]

    async def list_channels(self, owner: str) -> list[Channel]:
        found = [channel for channel in self.channels.values() if channel.owner == owner]
        return sorted(found, key=lambda channel: channel.name)

    async def load_channel(self, owner: str, channel_id: str) -> Channel:
        channel = self.channels.get(channel_id)
        if channel is None or channel.owner != owner:
            raise NotFound.of_id("channel", channel_id)
        return channel

    async def change_channel(self, owner: str, channel_id: str, values: Mapping[str, Any]) -> Channel:
        channel = await self.load_channel(owner, channel_id)
        others = [each for each in await self.list_channels(owner) if each is not channel]
        _check_new("channel", values.get("name"), others, MAX_CHANNELS)
        changed = replace(channel, **values, rests_until=None, failures=0, updated_at=utc_now())
        self.channels[channel_id] = changed
        return changed

    async def delete_channel(self, owner: str, channel_id: str) -> None:
        channel = await self.load_channel(owner, channel_id)
        if any(rule.channel_id == channel_id for rule in self.rules.values()):
            raise Conflict(in_use(channel.name))
        del self.channels[channel_id]
        self._on_drop(channel_id)

    async def add_rule(self, rule: Rule) -> Rule:
        await self.load_channel(rule.owner, rule.channel_id)
        _check_new("rule", rule.name, await self.list_rules(rule.owner), MAX_RULES)
        now = utc_now()
        self.rules[rule.rule_id] = replace(rule, created_at=now, updated_at=now)
        return self.rules[rule.rule_id]

    async def list_rules(self, owner: str) -> list[Rule]:
        return sorted((rule for rule in self.rules.values() if rule.owner == owner), key=lambda rule: rule.name)

    async def list_deadlines(self) -> set[str]:
        return {rule.deadline for rule in self.rules.values() if rule.is_enabled and rule.deadline}

    async def load_rule(self, owner: str, rule_id: str) -> Rule:
        rule = self.rules.get(rule_id)
        if rule is None or rule.owner != owner:
            raise NotFound.of_id("rule", rule_id)
        return rule

    async def change_rule(self, owner: str, rule_id: str, values: Mapping[str, Any]) -> Rule:
        rule = await self.load_rule(owner, rule_id)
        if "channel_id" in values:
            await self.load_channel(owner, values["channel_id"])
        others = [each for each in await self.list_rules(owner) if each is not rule]
        _check_new("rule", values.get("name"), others, MAX_RULES)
        self.rules[rule_id] = replace(rule, **values, updated_at=utc_now())
        return self.rules[rule_id]

    async def delete_rule(self, owner: str, rule_id: str) -> None:
        await self.load_rule(owner, rule_id)
        del self.rules[rule_id]


def _check_new(what: str, name: str | None, others: Sequence[Channel | Rule], most: int) -> None:
    if len(others) >= most:
        raise Conflict(too_many(f"{what}s", most))
    if name is not None and name in {each.name for each in others}:
        raise Conflict(name_taken(what, name))


class MemoryNotificationLog:
    """`NotificationLog` in memory, with the rules beside it."""

    def __init__(self, events: MemoryEventOutbox) -> None:
        self.rules = MemoryNotificationRules(on_drop=self._drop_channel)
        events.is_read = lambda: any(rule.is_enabled for rule in self.rules.rules.values())
        self._places = itertools.count(1)
        self._events, self._new = events.kept, events.new
        self._messages: dict[str, Message] = {}

    async def fan_out(self, route: Route, now: datetime) -> int:
        del now
        new = list(itertools.islice(self._new.values(), ROUTE_STEP))
        rules = [rule for rule in self.rules.rules.values() if rule.is_enabled]
        for event in new:
            for placement in route(event, rules):
                self._place(event, placement)
            del self._new[event.event_id]
        return len(new)

    async def add_message(self, message: Message, event: Event) -> Message:
        self._events[event.event_id] = event
        return self._put(replace(message, place=next(self._places), created_at=utc_now()))

    async def due_channels(self, now: datetime) -> list[tuple[str, str]]:
        found = (self._find_sendable(channel_id, now) for channel_id in self.rules.channels)
        return [(c.owner, c.channel_id) for c in found if c and self._due(c.channel_id, now)]

    async def claim(self, channel_id: str, now: datetime) -> Claimed | None:
        channel, due = self._find_sendable(channel_id, now), self._due(channel_id, now)
        if channel is None or not due:
            return None
        taken = replace(
            due[0], status=DeliveryStatus.PENDING, attempts=due[0].attempts + 1, next_attempt_at=now + LEASE
        )
        events = tuple(self._events[event_id] for event_id in taken.event_ids if event_id in self._events)
        return Claimed(self._put(taken), channel, events)

    async def save_attempt(self, message: Message, end: AttemptEnd, *, took_ms: int, now: datetime) -> bool:
        kept = self._messages.get(message.message_id)
        if kept is None or (kept.status, kept.attempts) != (DeliveryStatus.PENDING, message.attempts):
            return False
        self._put(replace(kept, took_ms=took_ms, **end.changes(now) | {"status": end.status}))
        channel = self.rules.channels[message.channel_id]
        self.rules.channels[message.channel_id] = replace(channel, **channel_changes(end, channel.failures, now))
        return True

    async def list_messages(self, query: MessageQuery) -> list[Message]:
        found = [message for message in self._messages.values() if _matches(message, query)]
        return sorted(found, key=lambda m: m.place, reverse=True)[: query.limit]

    async def load_message(self, owner: str, message_id: str) -> Message | None:
        message = self._messages.get(message_id)
        return message if message and message.owner == owner else None

    async def load_events(self, event_ids: Sequence[str]) -> dict[str, Event]:
        return {event_id: self._events[event_id] for event_id in event_ids if event_id in self._events}

    async def count_sent(self, owner: str, since: datetime) -> dict[str, int]:
        sent = [m for m in self._messages.values() if m.owner == owner and m.status is DeliveryStatus.DELIVERED]
        return dict(Counter(m.rule_id for m in sent if m.ended_at and m.ended_at >= since))

    async def replay(self, owner: str, message_id: str, now: datetime) -> Message | None:
        message = await self.load_message(owner, message_id)
        if message is None or not message.status.is_final:
            return None
        return self._put(
            replace(message, status=DeliveryStatus.PENDING, attempts=0, next_attempt_at=now, ended_at=None)
        )

    async def purge(self, now: datetime) -> int:
        old = [m.message_id for m in self._messages.values() if m.ended_at and m.ended_at < now - KEPT]
        for message_id in old:
            del self._messages[message_id]
        return len(old)

    def _drop_channel(self, channel_id: str) -> None:
        self._messages = {key: m for key, m in self._messages.items() if m.channel_id != channel_id}

    def _place(self, event: Event, placement: Placement) -> None:
        rule, key = placement.rule, placement.key
        same = [m for m in self._messages.values() if m.key == key]
        if same and same[0].status is DeliveryStatus.WAITING:
            self._put(replace(same[0], event_ids=(*same[0].event_ids, event.event_id)))
            return
        self._put(
            Message(
                message_id=f"msg_{uuid4().hex}",
                owner=rule.owner,
                channel_id=rule.channel_id,
                key=f"{key} {event.event_id}" if same else key,
                event_ids=(event.event_id,),
                rule_id=rule.rule_id,
                rule_name=rule.name,
                language=rule.language,
                place=next(self._places),
                created_at=utc_now(),
                next_attempt_at=placement.due_at,
            )
        )

    def _due(self, channel_id: str, now: datetime) -> list[Message]:
        of_channel = (m for m in self._messages.values() if m.channel_id == channel_id and not m.status.is_final)
        due = [(m.next_attempt_at, m.place, m) for m in of_channel if m.next_attempt_at and m.next_attempt_at <= now]
        return [message for _, _, message in sorted(due, key=lambda each: each[:2])]

    def _find_sendable(self, channel_id: str, now: datetime) -> Channel | None:
        channel = self.rules.channels.get(channel_id)
        is_open = channel and channel.is_enabled and not (channel.rests_until and channel.rests_until > now)
        return channel if is_open else None

    def _put(self, message: Message) -> Message:
        self._messages[message.message_id] = message
        return message


def _matches(message: Message, query: MessageQuery) -> bool:
    values: Mapping[str, Any] = {"rule_id": query.rule_id, "channel_id": query.channel_id}
    return (
        message.owner == query.owner
        and (not query.statuses or message.status in query.statuses)
        and all(wanted in {None, getattr(message, name)} for name, wanted in values.items())
        and (query.before is None or message.place < query.before)
    )
