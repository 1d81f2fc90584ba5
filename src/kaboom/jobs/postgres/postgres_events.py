"""The events of notifications in PostgreSQL, in the database of the ledger."""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Row, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from kaboom.drivers.postgres.engine import METADATA, AsyncEngine, open_transaction, texts
from kaboom.jobs.postgres.events import Event, EventKind

# The outbox of events: an event is saved in the transaction of its fact, if the fact is in the ledger.
EVENTS = Table(
    "notification_events",
    METADATA,
    Column("event_id", Text, primary_key=True),
    Column("place", BigInteger, Identity(always=True), nullable=False),
    *texts("kind", "owner"),
    Column("data", JSONB, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("noted_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("routed_at", DateTime(timezone=True)),
    Index("notification_events_new", "place", postgresql_where=text("routed_at IS NULL")),
    Index("notification_events_by_age", "noted_at"),
)
# If no rule is enabled, the end of a job costs only one look-up of a rule.
_NOTE = text("""
INSERT INTO notification_events (event_id, kind, owner, data, at)
SELECT event_id, kind, owner, data, at
FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS e (event_id text, kind text, owner text, data jsonb, at timestamptz)
WHERE EXISTS (SELECT FROM notification_rules WHERE is_enabled)
ON CONFLICT DO NOTHING
""")


class PostgresEventOutbox:
    """`EventOutbox` on PostgreSQL 14 or newer."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def note(self, events: Sequence[Event]) -> None:
        async with open_transaction(self._engine) as connection:
            await note(connection, events)


async def note(connection: AsyncConnection, events: Sequence[Event]) -> None:
    """Save events within the transaction of the fact that they report."""
    if events:
        await connection.execute(_NOTE, {"events": orjson.dumps([dump_event(event) for event in events]).decode()})


def parse_event(row: Row[Any]) -> Event:
    """Return the event that a row of EVENTS holds."""
    return Event(row.event_id, EventKind(row.kind), row.at, row.owner, row.data)


def dump_event(event: Event) -> dict[str, Any]:
    """Return the values of an event's row."""
    return {name: getattr(event, name) for name in ("event_id", "kind", "owner", "at")} | {"data": dict(event.data)}
