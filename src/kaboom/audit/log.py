"""The lines of the audit log, and the port to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import uuid4

from kaboom.web.auth.changes import Change

#: How long audit lines are kept; a trigger refuses to delete younger ones.
AUDIT_KEPT_DAYS = 400
#: How many audit lines are dropped at once.
AUDIT_PRUNE_STEP = 1000


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
