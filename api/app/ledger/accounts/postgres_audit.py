"""The audit log in PostgreSQL, where a trigger keeps it append-only."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from app.ledger.accounts.model import AuditLine, AuditQuery
from app.ledger.accounts.port import AUDIT_KEPT_DAYS, AUDIT_PRUNE_STEP
from app.ledger.accounts.tables import AUDIT_LOG, parse_line
from batch.kit.postgres.engine import AsyncEngine, postgres_errors

_C = AUDIT_LOG.c
_GIVEN = [column.name for column in _C if column.name not in {"at", "place"}]
# A row that is deleted by another process meanwhile is not waited for.
_OLDEST = (
    select(_C.line_id)
    .where(_C.at < func.now() - timedelta(days=AUDIT_KEPT_DAYS))
    .order_by(_C.at)
    .limit(AUDIT_PRUNE_STEP)
    .with_for_update(skip_locked=True)
)


class PostgresAuditLog:
    """`AuditLog` on PostgreSQL 14 or newer."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def append(self, lines: Sequence[AuditLine]) -> None:
        rows = [{name: getattr(line, name) for name in _GIVEN} for line in lines]
        with postgres_errors():
            async with self._engine.begin() as connection:
                await connection.execute(insert(AUDIT_LOG).on_conflict_do_nothing(), rows)

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
        with postgres_errors():
            async with self._engine.connect() as connection:
                rows = await connection.execute(statement.order_by(_C.place.desc()).limit(query.limit))
                return [parse_line(row) for row in rows]

    async def prune(self) -> int:
        with postgres_errors():
            async with self._engine.begin() as connection:
                return (await connection.execute(AUDIT_LOG.delete().where(_C.line_id.in_(_OLDEST)))).rowcount
