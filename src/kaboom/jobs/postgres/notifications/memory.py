"""Notifications in memory: they behave like those in PostgreSQL, and are lost when the process ends."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from kaboom.drivers.clock import utc_now
from kaboom.jobs.postgres.notifications.memory_rules import MemoryNotificationRules
from kaboom.jobs.postgres.notifications.model import Channel, Claimed, Event, Message, MessageQuery, Placement
from kaboom.jobs.postgres.notifications.port import KEPT, LEASE, ROUTE_STEP, Route, channel_changes
from kaboom.jobs.postgres.outbox.port import AttemptEnd, DeliveryStatus


class MemoryNotificationLog:
    """`NotificationLog` in memory, with the rules beside it."""

    def __init__(self) -> None:
        self.rules = MemoryNotificationRules(on_drop=self._drop_channel)
        self._places = itertools.count(1)
        self._events: dict[str, Event] = {}
        self._new: dict[str, Event] = {}
        self._messages: dict[str, Message] = {}

    async def note(self, events: Sequence[Event]) -> None:
        self.note_now(events)

    def note_now(self, events: Sequence[Event]) -> None:
        """Save events without waiting, together with the fact that they report."""
        if any(rule.is_enabled for rule in self.rules.rules.values()):
            for event in events:
                if event.event_id not in self._events:
                    self._events[event.event_id] = self._new[event.event_id] = event

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
