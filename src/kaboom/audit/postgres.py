"""The audit log in PostgreSQL, where a trigger keeps it append-only."""

from collections.abc import Sequence
from datetime import timedelta

import orjson
from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Integer, Table, Text, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kaboom.audit.log import AUDIT_KEPT_DAYS, AUDIT_PRUNE_STEP, AuditLine, AuditQuery
from kaboom.drivers.postgres.engine import METADATA, AsyncEngine, Statements, texts

# Append-only: triggers reject an update of a line, and a delete before AUDIT_KEPT_DAYS.
AUDIT_LOG = Table(
    "audit_log",
    METADATA,
    Column("line_id", Text, primary_key=True),
    Column("place", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    *texts("owner", "subject", "name", "method", "action", "target"),
    Column("status", Integer, nullable=False),
    *texts("address", "request_id"),
    Column("reason", Text, nullable=False, server_default=""),
    Index("audit_log_newest", "owner", "place"),
    Index("audit_log_age", "at"),
)
_C = AUDIT_LOG.c
_GIVEN = [str(column.name) for column in _C if column.name not in {"at", "place"}]
_TYPED = ", ".join(f"{name} {_C[name].type}" for name in _GIVEN)
#: Inserts the lines of one parameter, `lines`: `dump_lines`. A condition may follow.
INSERT_LINES = f"""
INSERT INTO audit_log ({", ".join(_GIVEN)})
SELECT {", ".join(_GIVEN)} FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS line({_TYPED})
"""  # noqa: S608  the names are our own
_INSERT = text(f"{INSERT_LINES} ON CONFLICT DO NOTHING")
# Rows that another process is deleting are skipped.
_OLDEST = (
    select(_C.line_id)
    .where(_C.at < func.now() - timedelta(days=AUDIT_KEPT_DAYS))
    .order_by(_C.at)
    .limit(AUDIT_PRUNE_STEP)
    .with_for_update(skip_locked=True)
)


def dump_lines(lines: Sequence[AuditLine]) -> str:
    """Return audit lines as JSON, for the database's `jsonb_to_recordset`."""
    return orjson.dumps(lines).decode()


async def append_lines(connection: AsyncConnection, lines: Sequence[AuditLine]) -> None:
    """Add lines within a transaction."""
    await connection.execute(_INSERT, {"lines": dump_lines(lines)})


class PostgresAuditLog:
    """`AuditLog` on PostgreSQL 14 or newer."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._statements = Statements(engine)

    async def append(self, lines: Sequence[AuditLine]) -> None:
        await self._statements.execute(_INSERT, {"lines": dump_lines(lines)})

    async def list_lines(self, query: AuditQuery) -> list[AuditLine]:
        statement = select(AUDIT_LOG).where(_C.owner == query.owner)
        for column, value in ((_C.subject, query.subject), (_C.action, query.action)):
            statement = statement if value is None else statement.where(column == value)
        if query.since is not None:
            statement = statement.where(_C.at >= query.since)
        if query.until is not None:
            statement = statement.where(_C.at < query.until)
        if query.before is not None:
            statement = statement.where(_C.place < query.before)
        rows = await self._statements.fetch(statement.order_by(_C.place.desc()).limit(query.limit))
        return [AuditLine(**row._mapping) for row in rows]  # noqa: SLF001  the public name of a row's mapping, in SQLAlchemy's words

    async def prune(self) -> int:
        return await self._statements.execute(AUDIT_LOG.delete().where(_C.line_id.in_(_OLDEST)))
