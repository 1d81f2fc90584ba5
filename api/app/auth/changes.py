"""A change that a caller made, as the audit log keeps it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from starlette.types import Scope

from app.auth.principals import Principal

#: Methods that change nothing.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_TARGET = 200
_FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Change:
    """What a caller changed, or was refused: see `app.ledger.accounts.model.AuditLine`."""

    caller: Principal
    action: str
    target: str
    status: int
    address: str
    request_id: str
    reason: str = ""


class ChangeLog(Protocol):
    """Where the gate notes changes."""

    async def note(self, change: Change) -> None:
        """Keep a change before its answer is sent; raises nothing."""
        ...


def give_reason(scope: Scope, reason: str | None) -> None:
    """Keep why a caller makes the change of a request, in the caller's words; None keeps nothing."""
    scope["reason"] = reason or ""


def find_change(scope: Scope, status: int, headers: Iterable[tuple[bytes, bytes]]) -> Change | None:
    """Return what a request has changed, once a route has answered it; None if it has changed nothing.

    A refusal for want of a scope is kept as well, and so is a failure: it may have changed something.
    """
    caller = scope.get("principal")
    is_kept = status < 400 or status >= 500 or status == _FORBIDDEN
    if scope["method"] in SAFE_METHODS or caller is None or "endpoint" not in scope or not is_kept:
        return None
    given = [str(value) for value in scope.get("path_params", {}).values()]
    created = next((value for name, value in headers if name.lower() == b"location"), b"")
    target = given[-1] if given else created.decode("latin-1").partition("?")[0].rpartition("/")[2]
    action, address = scope["endpoint"].__name__, scope.get("address", "")
    reason = scope.get("reason", "")
    return Change(caller, action, target[:_MOST_TARGET], status, address, scope["request_id"], reason)
