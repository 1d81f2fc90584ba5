"""The audit log in PostgreSQL, where a trigger keeps it append-only."""

from collections.abc import Sequence
from datetime import timedelta

import orjson
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kaboom.drivers.postgres.engine import AsyncEngine, Statements
from kaboom.jobs.postgres.accounts.model import AuditLine, AuditQuery
from kaboom.jobs.postgres.accounts.port import AUDIT_KEPT_DAYS, AUDIT_PRUNE_STEP
from kaboom.jobs.postgres.accounts.tables import AUDIT_LOG, parse_line

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
        return [parse_line(row) for row in rows]

    async def prune(self) -> int:
        return await self._statements.execute(AUDIT_LOG.delete().where(_C.line_id.in_(_OLDEST)))
