"""Notifications in PostgreSQL, in the database of the ledger."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Never
from uuid import uuid4

from sqlalchemy import ColumnElement, Select, Table, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kaboom.drivers.postgres.database import name_taken, too_many
from kaboom.drivers.postgres.engine import AsyncEngine, Statements, open_connection, open_transaction
from kaboom.errors import Conflict, NotFound
from kaboom.jobs.postgres.events import Event
from kaboom.jobs.postgres.outbox import AttemptEnd, DeliveryStatus
from kaboom.jobs.postgres.postgres_outbox import EVENTS, dump_event, parse_event
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
    Placement,
    Route,
    Rule,
    channel_changes,
    in_use,
)
from kaboom.notify.tables import CHANNELS, MESSAGES, RULES, parse_channel, parse_message, parse_rule


class PostgresNotificationRules:
    """`NotificationRules` on PostgreSQL 14 or newer, in the database of the ledger."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._statements = Statements(engine)

    async def add_channel(self, channel: Channel) -> Channel:
        names = ("channel_id", "owner", "name", "kind", "service", "host", "sealed", "is_enabled")
        new = insert(CHANNELS).values({name: getattr(channel, name) for name in names}).returning(CHANNELS)
        async with open_transaction(self._engine, conflict=name_taken("channel", channel.name)) as connection:
            await _check_count(connection, CHANNELS, channel.owner, "channels", MAX_CHANNELS)
            return parse_channel((await connection.execute(new)).one())

    async def list_channels(self, owner: str) -> list[Channel]:
        # Sort like Python, by code points, whatever the collation of the database.
        statement = select(CHANNELS).where(CHANNELS.c.owner == owner).order_by(CHANNELS.c.name.collate("C"))
        return [parse_channel(row) for row in await self._statements.fetch(statement)]

    async def load_channel(self, owner: str, channel_id: str) -> Channel:
        rows = await self._statements.fetch(select(CHANNELS).where(*_is_channel(owner, channel_id)))
        return parse_channel(rows[0]) if rows else _miss("channel", channel_id)

    async def change_channel(self, owner: str, channel_id: str, values: Mapping[str, Any]) -> Channel:
        changed = dict(values) | {"rests_until": None, "failures": 0, "updated_at": func.clock_timestamp()}
        update = CHANNELS.update().where(*_is_channel(owner, channel_id)).values(changed).returning(CHANNELS)
        async with open_transaction(self._engine, conflict=name_taken("channel", values.get("name", ""))) as connection:
            row = (await connection.execute(update)).one_or_none()
        return parse_channel(row) if row else _miss("channel", channel_id)

    async def delete_channel(self, owner: str, channel_id: str) -> None:
        name = (await self.load_channel(owner, channel_id)).name
        async with open_transaction(self._engine, conflict=in_use(name)) as connection:
            await connection.execute(delete(CHANNELS).where(*_is_channel(owner, channel_id)))

    async def add_rule(self, rule: Rule) -> Rule:
        skipped = {"created_at", "updated_at"}
        values = {column.name: getattr(rule, column.name) for column in RULES.c if column.name not in skipped}
        new = insert(RULES).values(_storable(values)).returning(RULES)
        async with open_transaction(self._engine, conflict=name_taken("rule", rule.name)) as connection:
            await _lock_channel(connection, rule.owner, rule.channel_id)
            await _check_count(connection, RULES, rule.owner, "rules", MAX_RULES)
            return parse_rule((await connection.execute(new)).one())

    async def list_rules(self, owner: str) -> list[Rule]:
        statement = select(RULES).where(RULES.c.owner == owner).order_by(RULES.c.name.collate("C"))
        return [parse_rule(row) for row in await self._statements.fetch(statement)]

    async def list_deadlines(self) -> set[str]:
        enabled = RULES.c.is_enabled & RULES.c.deadline.is_not(None)
        return {row.deadline for row in await self._statements.fetch(select(RULES.c.deadline).where(enabled))}

    async def load_rule(self, owner: str, rule_id: str) -> Rule:
        rows = await self._statements.fetch(select(RULES).where(*_is_rule(owner, rule_id)))
        return parse_rule(rows[0]) if rows else _miss("rule", rule_id)

    async def change_rule(self, owner: str, rule_id: str, values: Mapping[str, Any]) -> Rule:
        changed = _storable(values) | {"updated_at": func.clock_timestamp()}
        update = RULES.update().where(*_is_rule(owner, rule_id)).values(changed).returning(RULES)
        async with open_transaction(self._engine, conflict=name_taken("rule", values.get("name", ""))) as connection:
            if "channel_id" in values:
                await _lock_channel(connection, owner, values["channel_id"])
            row = (await connection.execute(update)).one_or_none()
        return parse_rule(row) if row else _miss("rule", rule_id)

    async def delete_rule(self, owner: str, rule_id: str) -> None:
        if not await self._statements.execute(delete(RULES).where(*_is_rule(owner, rule_id))):
            _miss("rule", rule_id)


async def _check_count(connection: AsyncConnection, table: Table, owner: str, what: str, most: int) -> None:
    count = select(func.count()).select_from(table).where(table.c.owner == owner)
    if (await connection.execute(count)).scalar_one() >= most:
        raise Conflict(too_many(what, most))


async def _lock_channel(connection: AsyncConnection, owner: str, channel_id: str) -> None:
    """Lock a channel of an owner, so that it is not deleted in the meantime."""
    found = select(CHANNELS.c.channel_id).where(*_is_channel(owner, channel_id)).with_for_update(key_share=True)
    if (await connection.execute(found)).one_or_none() is None:
        _miss("channel", channel_id)


def _storable(values: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(values)
    if "events" in found:
        found["events"] = [kind.value for kind in found["events"]]
    if "only" in found:
        found["only"] = {name: list(allowed) for name, allowed in found["only"].items()}
    return found


def _is_channel(owner: str, channel_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return CHANNELS.c.owner == owner, CHANNELS.c.channel_id == channel_id


def _is_rule(owner: str, rule_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return RULES.c.owner == owner, RULES.c.rule_id == rule_id


def _miss(what: str, given: str) -> Never:
    raise NotFound.of_id(what, given)


_M = MESSAGES.c
_OPEN = [DeliveryStatus.WAITING.value, DeliveryStatus.PENDING.value]


class PostgresNotificationLog:
    """`NotificationLog` on PostgreSQL 14 or newer, in the database of the ledger."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._statements = Statements(engine)

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
