"""Channels and rules in PostgreSQL."""

from collections.abc import Mapping
from typing import Any, Never

from sqlalchemy import ColumnElement, Table, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kaboom.drivers.postgres.engine import AsyncEngine, Statements, open_transaction
from kaboom.errors import Conflict, NotFound
from kaboom.jobs.postgres.notifications.model import Channel, Rule
from kaboom.jobs.postgres.notifications.port import MAX_CHANNELS, MAX_RULES, in_use
from kaboom.jobs.postgres.notifications.tables import CHANNELS, RULES, parse_channel, parse_rule
from kaboom.jobs.postgres.refusals import name_taken, too_many


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
