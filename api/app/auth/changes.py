"""A change that a caller made, as the audit log keeps it."""

from dataclasses import dataclass
from typing import Protocol

from app.auth.principals import Principal

#: Methods that change nothing.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Change:
    """What a caller changed, or was refused: see `app.ledger.accounts.model.AuditLine`."""

    caller: Principal
    action: str
    target: str
    status: int
    address: str
    request_id: str


class ChangeLog(Protocol):
    """Where the gate notes changes."""

    async def note(self, change: Change) -> None:
        """Keep a change before its answer is sent; raises nothing."""
        ...
