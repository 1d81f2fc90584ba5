"""Events and messages in PostgreSQL, in the same database as the jobs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import orjson
from sqlalchemy import Select, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kaboom.drivers.postgres.engine import AsyncEngine, Statements, open_connection, open_transaction
from kaboom.jobs.postgres.notifications.model import Claimed, Event, Message, MessageQuery, Placement
from kaboom.jobs.postgres.notifications.port import KEPT, LEASE, ROUTE_STEP, Route, channel_changes
from kaboom.jobs.postgres.notifications.tables import (
    CHANNELS,
    EVENTS,
    MESSAGES,
    RULES,
    dump_event,
    parse_channel,
    parse_event,
    parse_message,
    parse_rule,
)
from kaboom.jobs.postgres.outbox.port import AttemptEnd, DeliveryStatus

_M = MESSAGES.c
_OPEN = [DeliveryStatus.WAITING.value, DeliveryStatus.PENDING.value]
# If no rule is enabled, the end of a job costs only one look-up of a rule.
_NOTE = text("""
INSERT INTO notification_events (event_id, kind, owner, data, at)
SELECT event_id, kind, owner, data, at
FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS e (event_id text, kind text, owner text, data jsonb, at timestamptz)
WHERE EXISTS (SELECT FROM notification_rules WHERE is_enabled)
ON CONFLICT DO NOTHING
""")


class PostgresNotificationLog:
    """`NotificationLog` on PostgreSQL 14 or newer, in the database of the ledger."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._statements = Statements(engine)

    async def note(self, events: Sequence[Event]) -> None:
        async with open_transaction(self._engine) as connection:
            await note(connection, events)

    async def fan_out(self, route: Route, now: datetime) -> int:
        is_new = select(EVENTS).where(EVENTS.c.routed_at.is_(None)).order_by(EVENTS.c.place).limit(ROUTE_STEP)
        async with open_transaction(self._engine) as connection:
            rows = (await connection.execute(is_new.with_for_update(skip_locked=True))).all()
            if not rows:
                return 0
            enabled = await connection.execute(select(RULES).where(RULES.c.is_enabled))
            rules = [parse_rule(row) for row in enabled]
            for event in map(parse_event, rows):
                for placement in route(event, rules):
                    await _place(connection, event, placement)
            routed = EVENTS.c.event_id.in_([row.event_id for row in rows])
            await connection.execute(EVENTS.update().where(routed).values(routed_at=now))
        return len(rows)

    async def add_message(self, message: Message, event: Event) -> Message:
        names = ("message_id", "owner", "channel_id", "key", "rule_id", "rule_name", "language", "next_attempt_at")
        values = {name: getattr(message, name) for name in names}
        values |= {"status": message.status.value, "event_ids": list(message.event_ids)}
        async with open_transaction(self._engine) as connection:
            await connection.execute(insert(EVENTS).values(dump_event(event) | {"routed_at": event.at}))
            return parse_message((await connection.execute(insert(MESSAGES).values(values).returning(MESSAGES))).one())

    async def due_channels(self, now: datetime) -> list[tuple[str, str]]:
        rests = or_(CHANNELS.c.rests_until.is_(None), CHANNELS.c.rests_until <= now)
        due = select(_M.message_id).where(
            _M.channel_id == CHANNELS.c.channel_id, _M.status.in_(_OPEN), _M.next_attempt_at <= now
        )
        statement = select(CHANNELS.c.owner, CHANNELS.c.channel_id).where(CHANNELS.c.is_enabled, rests, due.exists())
        return [(row.owner, row.channel_id) for row in await self._statements.fetch(statement)]

    async def claim(self, channel_id: str, now: datetime) -> Claimed | None:
        async with open_transaction(self._engine) as connection:
            of_channel = select(CHANNELS).where(CHANNELS.c.channel_id == channel_id).with_for_update()
            row = (await connection.execute(of_channel)).one_or_none()
            channel = parse_channel(row) if row else None
            if not channel or not channel.is_enabled or (channel.rests_until and channel.rests_until > now):
                return None
            message = await _take(connection, channel_id, now)
            if message is None:
                return None
            kept = await _load_events(connection, message.event_ids)
            events = tuple(kept[event_id] for event_id in message.event_ids if event_id in kept)
            return Claimed(message, channel, events)

    async def save_attempt(self, message: Message, end: AttemptEnd, *, took_ms: int, now: datetime) -> bool:
        values = end.changes(now) | {"took_ms": took_ms}
        is_it = (_M.message_id == message.message_id, _M.attempts == message.attempts)
        update = MESSAGES.update().where(*is_it, _M.status == DeliveryStatus.PENDING.value).values(values)
        async with open_transaction(self._engine) as connection:
            if not (await connection.execute(update)).rowcount:
                return False
            await _settle_channel(connection, message.channel_id, end, now)
            return True

    async def list_messages(self, query: MessageQuery) -> list[Message]:
        statement = select(MESSAGES).where(_M.owner == query.owner)
        if query.statuses:
            statement = statement.where(_M.status.in_(sorted(query.statuses)))
        for name in ("rule_id", "channel_id"):
            if (value := getattr(query, name)) is not None:
                statement = statement.where(_M[name] == value)
        if query.before is not None:
            statement = statement.where(_M.place < query.before)
        return await self._select(statement.order_by(_M.place.desc()).limit(query.limit))

    async def load_message(self, owner: str, message_id: str) -> Message | None:
        found = await self._select(select(MESSAGES).where(_M.message_id == message_id, _M.owner == owner))
        return found[0] if found else None

    async def load_events(self, event_ids: Sequence[str]) -> dict[str, Event]:
        async with open_connection(self._engine) as connection:
            return await _load_events(connection, event_ids)

    async def count_sent(self, owner: str, since: datetime) -> dict[str, int]:
        is_sent = (_M.owner == owner, _M.status == DeliveryStatus.DELIVERED.value, _M.ended_at >= since)
        statement = select(_M.rule_id, func.count().label("sent")).where(*is_sent).group_by(_M.rule_id)
        return {row.rule_id: row.sent for row in await self._statements.fetch(statement)}

    async def replay(self, owner: str, message_id: str, now: datetime) -> Message | None:
        ended = [status.value for status in DeliveryStatus if status.is_final]
        values = {"status": DeliveryStatus.PENDING.value, "attempts": 0, "next_attempt_at": now, "ended_at": None}
        update = (
            MESSAGES.update()
            .where(_M.message_id == message_id, _M.owner == owner, _M.status.in_(ended))
            .values(values)
            .returning(MESSAGES)
        )
        rows = await self._statements.fetch(update)
        return parse_message(rows[0]) if rows else None

    async def purge(self, now: datetime) -> int:
        # Events are kept longer than messages, because messages show them.
        old_events = EVENTS.c.noted_at < now - 2 * KEPT
        async with open_transaction(self._engine) as connection:
            messages = await connection.execute(MESSAGES.delete().where(_M.ended_at < now - KEPT))
            events = await connection.execute(EVENTS.delete().where(old_events))
            return messages.rowcount + events.rowcount

    async def _select(self, statement: Select[Any]) -> list[Message]:
        return [parse_message(row) for row in await self._statements.fetch(statement)]


async def note(connection: AsyncConnection, events: Sequence[Event]) -> None:
    """Save events within the transaction of the fact that they report."""
    if events:
        await connection.execute(_NOTE, {"events": orjson.dumps([dump_event(event) for event in events]).decode()})


async def _place(connection: AsyncConnection, event: Event, placement: Placement) -> None:
    rule = placement.rule
    values = {
        "message_id": f"msg_{uuid4().hex}",
        "owner": rule.owner,
        "channel_id": rule.channel_id,
        "key": placement.key,
        "event_ids": [event.event_id],
        "rule_id": rule.rule_id,
        "rule_name": rule.name,
        "language": rule.language,
        "status": DeliveryStatus.WAITING.value,
        "next_attempt_at": placement.due_at,
    }
    new = insert(MESSAGES).values(values)
    grown = new.on_conflict_do_update(
        index_elements=[_M.key],
        set_={"event_ids": func.array_cat(_M.event_ids, new.excluded.event_ids)},
        where=_M.status == DeliveryStatus.WAITING.value,
    )
    if (await connection.execute(grown.returning(_M.message_id))).one_or_none() is None:
        # The digest has just been sent: the event gets a message of its own.
        alone = insert(MESSAGES).values(values | {"key": f"{placement.key} {event.event_id}"})
        await connection.execute(alone.on_conflict_do_nothing())


async def _take(connection: AsyncConnection, channel_id: str, now: datetime) -> Message | None:
    due = select(_M.message_id).where(_M.channel_id == channel_id, _M.status.in_(_OPEN), _M.next_attempt_at <= now)
    first = due.order_by(_M.next_attempt_at, _M.place).limit(1).with_for_update()
    message_id = (await connection.execute(first)).scalar_one_or_none()
    values = {"status": DeliveryStatus.PENDING.value, "attempts": _M.attempts + 1, "next_attempt_at": now + LEASE}
    update = MESSAGES.update().where(_M.message_id == message_id).values(values).returning(MESSAGES)
    return parse_message((await connection.execute(update)).one()) if message_id else None


async def _load_events(connection: AsyncConnection, event_ids: Sequence[str]) -> dict[str, Event]:
    rows = await connection.execute(select(EVENTS).where(EVENTS.c.event_id.in_(event_ids)))
    return {row.event_id: parse_event(row) for row in rows}


async def _settle_channel(connection: AsyncConnection, channel_id: str, end: AttemptEnd, now: datetime) -> None:
    found = select(CHANNELS.c.failures).where(CHANNELS.c.channel_id == channel_id).with_for_update()
    failures = (await connection.execute(found)).scalar_one_or_none() or 0
    if values := channel_changes(end, failures, now):
        await connection.execute(CHANNELS.update().where(CHANNELS.c.channel_id == channel_id).values(values))
