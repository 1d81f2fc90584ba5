"""Open the audit log of a database; in memory it ends with the process."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from kaboom.audit.log import AUDIT_KEPT_DAYS, AUDIT_PRUNE_STEP, AuditLine, AuditLog, AuditQuery
from kaboom.drivers.clock import Clock, utc_now
from kaboom.drivers.postgres.database import Database


def open_audit_log(database: Database) -> AuditLog:
    """Return the audit log of a database."""
    if database.engine is None:
        return MemoryAuditLog()
    # SQLAlchemy is loaded with the first database in PostgreSQL.
    from kaboom.audit.postgres import PostgresAuditLog  # noqa: PLC0415

    return PostgresAuditLog(database.engine)


class MemoryAuditLog:
    """`AuditLog` in memory."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._places = itertools.count(1)
        self._lines: dict[str, AuditLine] = {}

    async def append(self, lines: Sequence[AuditLine]) -> None:
        for line in lines:
            if line.line_id not in self._lines:
                self._lines[line.line_id] = replace(line, at=self._clock(), place=next(self._places))

    async def list_lines(self, query: AuditQuery) -> list[AuditLine]:
        found = [line for line in self._lines.values() if _matches(line, query)]
        return sorted(found, key=lambda line: line.place, reverse=True)[: query.limit]

    async def prune(self) -> int:
        limit = self._clock() - timedelta(days=AUDIT_KEPT_DAYS)
        old = [line.line_id for line in self._lines.values() if line.at and line.at < limit][:AUDIT_PRUNE_STEP]
        for line_id in old:
            del self._lines[line_id]
        return len(old)


def _matches(line: AuditLine, query: AuditQuery) -> bool:
    return (
        line.owner == query.owner
        and query.subject in {None, line.subject}
        and query.action in {None, line.action}
        and (query.since is None or (line.at is not None and line.at >= query.since))
        and (query.until is None or (line.at is not None and line.at < query.until))
        and (query.before is None or line.place < query.before)
    )
