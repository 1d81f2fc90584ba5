"""Write the changes of callers to the audit log, before the answers are sent."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict

import structlog

from kaboom.audit.log import AuditLine, AuditLog
from kaboom.drivers.batcher import CallBatcher
from kaboom.errors import StoreError
from kaboom.web.auth.changes import Change

#: A change waits at most this long for its audit line.
_PATIENCE_S = 2.0
#: Lines that could not be written are retried at this interval; beyond `_MOST_LATE` the oldest are only in Kaboom's
#: logs.
_PAUSE_S = 5.0
_MOST_LATE = 10_000
_STEP = 500

_log = structlog.get_logger(__name__)


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
