"""The audit log: its lines, the port to it, the log in memory, and the trail that writes a line before the answer."""

import asyncio
import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import uuid4

import structlog

from kaboom.drivers.batcher import CallBatcher
from kaboom.drivers.clock import Clock, utc_now
from kaboom.errors import StoreError
from kaboom.web.auth.changes import Change

#: How long audit lines are kept; a trigger refuses to delete younger ones.
AUDIT_KEPT_DAYS = 400
#: How many audit lines are dropped at once.
AUDIT_PRUNE_STEP = 1000
#: A change waits at most this long for its audit line.
_PATIENCE_S = 2.0
#: Lines that could not be written are retried at this interval; beyond `_MOST_LATE` the oldest are only in Kaboom's
#: logs.
_PAUSE_S = 5.0
_MOST_LATE = 10_000
_STEP = 500

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One change that a caller made, or that was rejected.

    Attributes:
        line_id: 32 hex digits; a line that is written twice is stored once.
        subject, name, method: those of the caller's principal.
        action: the name of the operation, such as `cancel_job`.
        target: the id of the changed object; empty if it has no id.
        status: the HTTP status of the answer.
        address: the client's address.
        reason: the reason that the caller gave; empty if none was given.
        place: the sort key; a newer line has a higher one.

    """

    line_id: str
    owner: str
    subject: str
    name: str
    method: str
    action: str
    target: str
    status: int
    address: str
    request_id: str
    reason: str = ""
    at: datetime | None = None
    place: int = 0

    @classmethod
    def of(cls, change: Change, *, target: str | None = None) -> "AuditLine":
        """Return the line of a change, whose target may become known later than the change."""
        caller = change.caller
        return cls(
            line_id=uuid4().hex,
            owner=caller.owner,
            subject=caller.subject,
            name=caller.name,
            method=caller.method,
            action=change.action,
            target=change.target if target is None else target,
            status=change.status,
            address=change.address,
            request_id=change.request_id,
            reason=change.reason,
        )


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """The lines to list, newest first; `before` is the place of the last line already seen."""

    owner: str
    subject: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    limit: int = 50


class AuditLog(Protocol):
    """The audit log: lines are added and read, and dropped when they are AUDIT_KEPT_DAYS old.

    Each method is one transaction; all raise StoreError when the ledger is unavailable.
    """

    async def append(self, lines: Sequence[AuditLine]) -> None:
        """Save lines; a line that is already saved stays unchanged."""
        ...

    async def list_lines(self, query: AuditQuery) -> list[AuditLine]:
        """Return the lines that a query asks for, newest first."""
        ...

    async def prune(self) -> int:
        """Drop the oldest lines that are more than AUDIT_KEPT_DAYS old, at most AUDIT_PRUNE_STEP; return how many."""
        ...


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


class AuditTrail:
    """`ChangeLog` on the audit log; concurrent lines share a commit."""

    def __init__(self) -> None:
        self._audit: AuditLog | None = None
        self._batcher = CallBatcher[AuditLine, None](self._append, timeout_s=_PATIENCE_S)
        self._late: deque[AuditLine] = deque(maxlen=_MOST_LATE)

    def open(self, audit: AuditLog) -> None:
        """Start to write to an audit log."""
        self._audit = audit

    async def note(self, change: Change) -> None:
        """Save a change; if the audit log is unavailable, log the line and write it later."""
        line = AuditLine.of(change)
        try:
            await self._batcher.call(line)
        except StoreError as e:
            _log.error("audit_line_late", reason=e.message, line=asdict(line))
            self._late.append(line)

    async def run(self) -> None:
        """Write late lines until cancelled."""
        while True:
            await asyncio.sleep(_PAUSE_S)
            await self.flush()

    async def flush(self) -> None:
        """Write the late lines now; stop when the audit log is unavailable."""
        while self._late:
            lines = [self._late[n] for n in range(min(_STEP, len(self._late)))]
            try:
                await self._append(lines)
            except StoreError:
                return
            for line in lines:
                self._late.remove(line)

    async def _append(self, lines: Sequence[AuditLine]) -> Sequence[None]:
        if self._audit is None:
            raise StoreError("the API is starting")
        await self._audit.append(lines)
        return [None] * len(lines)
