"""The outboxes in PostgreSQL, of webhooks and of events for notifications, in the database of the jobs."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import orjson
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Row,
    Select,
    Table,
    Text,
    bindparam,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kaboom.drivers.postgres.engine import METADATA, AsyncEngine, Statements, open_transaction, texts
from kaboom.jobs.model import Job
from kaboom.jobs.postgres.events import Event, EventKind
from kaboom.jobs.postgres.outbox import (
    KEPT_DAYS,
    LEASE_S,
    AttemptEnd,
    Delivery,
    DeliveryQuery,
    DeliveryStatus,
    encode_event,
    host_of,
)
from kaboom.jobs.postgres.tables import JOBS, WEBHOOK_DELIVERIES, parse_job

_T = WEBHOOK_DELIVERIES.c
# PostgreSQL cannot lock rows in a query with a window function, so the ranked rows are joined to locked rows; a second
# process skips locked rows.
_CLAIM = text(f"""
WITH ranked AS (
    SELECT delivery_id, row_number() OVER (PARTITION BY host ORDER BY next_attempt_at, place) AS turn
    FROM webhook_deliveries
    WHERE status = 'pending' AND next_attempt_at <= now() AND host <> ALL(:busy)
), due AS (
    SELECT d.delivery_id FROM webhook_deliveries d JOIN ranked USING (delivery_id)
    WHERE turn <= :per_host AND d.status = 'pending' AND d.next_attempt_at <= now()
    ORDER BY d.next_attempt_at, d.place LIMIT :limit FOR UPDATE OF d SKIP LOCKED
)
UPDATE webhook_deliveries w
SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + interval '{LEASE_S} seconds'
FROM due WHERE w.delivery_id = due.delivery_id RETURNING w.*
""").bindparams(bindparam("busy", type_=ARRAY(Text)))  # noqa: S608  the only value in it is a constant
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


class PostgresOutbox:
    """`Outbox` on the ledger's PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._statements = Statements(engine)

    async def register(self, job_id: str, *, url: str | None = None, parent_id: str | None = None) -> None:
        async with open_transaction(self._engine) as connection:
            await register(connection, job_id, url=url, parent_id=parent_id)

    async def claim(self, *, limit: int, per_host: int, busy: Sequence[str]) -> list[Delivery]:
        values = {"limit": limit, "per_host": per_host, "busy": list(busy)}
        rows = await self._statements.fetch(_CLAIM, values)
        return sorted(map(_parse, rows), key=lambda delivery: delivery.place)

    async def save_attempt(self, delivery: Delivery, end: AttemptEnd) -> bool:
        statement = (
            WEBHOOK_DELIVERIES.update()
            .where(_T.delivery_id == delivery.delivery_id, _T.attempts == delivery.attempts)
            .where(_T.status == DeliveryStatus.PENDING.value)
            .values(end.changes(func.clock_timestamp()))
        )
        return bool(await self._statements.execute(statement))

    async def list_deliveries(self, query: DeliveryQuery) -> list[Delivery]:
        statement = select(WEBHOOK_DELIVERIES).where(_T.owner == query.owner)
        if query.statuses:
            statement = statement.where(_T.status.in_(sorted(query.statuses)))
        if query.job_id is not None:
            statement = statement.where(_T.job_id == query.job_id)
        if query.before is not None:
            statement = statement.where(_T.place < query.before)
        return await self._select(statement.order_by(_T.place.desc()).limit(query.limit))

    async def load(self, owner: str, delivery_id: str) -> Delivery | None:
        found = await self._select(select(WEBHOOK_DELIVERIES).where(_T.delivery_id == delivery_id, _T.owner == owner))
        return found[0] if found else None

    async def replay(self, owner: str, delivery_id: str) -> Delivery | None:
        ended = [status.value for status in DeliveryStatus if status.is_final]
        statement = (
            WEBHOOK_DELIVERIES.update()
            .where(_T.delivery_id == delivery_id, _T.owner == owner, _T.status.in_(ended))
            .values(
                status=DeliveryStatus.PENDING.value, attempts=0, next_attempt_at=func.clock_timestamp(), ended_at=None
            )
            .returning(WEBHOOK_DELIVERIES)
        )
        rows = await self._statements.fetch(statement)
        return _parse(rows[0]) if rows else None

    async def purge(self) -> int:
        too_old = _T.ended_at < func.clock_timestamp() - text(f"interval '{KEPT_DAYS} days'")
        return await self._statements.execute(WEBHOOK_DELIVERIES.delete().where(too_old))

    async def _select(self, statement: Select[Any]) -> list[Delivery]:
        return [_parse(row) for row in await self._statements.fetch(statement)]


async def register(connection: AsyncConnection, job_id: str, *, url: str | None, parent_id: str | None) -> None:
    """Register receivers within a transaction.

    The job's row is locked, so that it cannot end in the meantime: either it ends later, which releases the receivers
    registered here, or it has already ended, and the deliveries are due at once.
    """
    job_row = (await connection.execute(select(JOBS).where(JOBS.c.job_id == job_id).with_for_update(read=True))).first()
    if job_row is None:
        return
    job = parse_job(job_row)
    urls = [] if url is None else [url]
    if parent_id is not None:
        of_parent = select(_T.url).where(_T.job_id == parent_id, _T.last_status.is_distinct_from(HTTPStatus.GONE.value))
        urls += (await connection.scalars(of_parent.order_by(_T.place))).all()
    rows = [_new_row(job, each) for each in dict.fromkeys(urls)]
    if rows:
        await connection.execute(insert(WEBHOOK_DELIVERIES).on_conflict_do_nothing(), rows)
    if job.status.is_final:
        await release(connection, job)


async def release(connection: AsyncConnection, job: Job) -> None:
    """Make the deliveries of a job due, within the transaction that makes it final."""
    statement = (
        WEBHOOK_DELIVERIES.update()
        .where(_T.job_id == job.job_id, _T.status == DeliveryStatus.WAITING.value)
        .values(status=DeliveryStatus.PENDING.value, body=encode_event(job), next_attempt_at=func.clock_timestamp())
    )
    await connection.execute(statement)


def _new_row(job: Job, url: str) -> dict[str, Any]:
    return {
        "delivery_id": f"msg_{uuid4().hex}",
        "job_id": job.job_id,
        "owner": job.owner,
        "url": url,
        "host": host_of(url),
        "status": DeliveryStatus.WAITING.value,
    }


def _parse(row: Row[Any]) -> Delivery:
    values = dict(row._mapping)  # noqa: SLF001  the public name of a row's mapping, in SQLAlchemy's words
    del values["host"]
    return Delivery(**(values | {"status": DeliveryStatus(row.status)}))


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
