"""A change that a caller made, for the audit log."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from starlette.types import Scope

from kaboom.web.auth.principals import Principal

#: HTTP methods that change nothing.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_TARGET = 200
_FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Change:
    """A change by a caller, or a rejected attempt; see `kaboom.audit.log.AuditLine`."""

    caller: Principal
    action: str
    target: str
    status: int
    address: str
    request_id: str
    reason: str = ""


class ChangeLog(Protocol):
    """The log to which the gate writes changes."""

    async def note(self, change: Change) -> None:
        """Save a change before its answer is sent; never raises."""
        ...


def give_reason(scope: Scope, reason: str | None) -> None:
    """Set the reason that a caller gives for the change of a request; None clears it."""
    scope["reason"] = reason or ""


def set_logged(scope: Scope) -> None:
    """State that the change of a request is in the audit log already, if the request succeeds."""
    scope["is_logged"] = True


def find_change(scope: Scope, status: int, headers: Iterable[tuple[bytes, bytes]]) -> Change | None:
    """Return the change of a request that a route has answered; None if nothing is to be logged.

    A request that was rejected with 403 is logged as well, and so is a failure, since it may have changed something.
    """
    is_kept = status < 400 or status >= 500 or status == _FORBIDDEN
    if scope["method"] in SAFE_METHODS or scope.get("principal") is None or "endpoint" not in scope or not is_kept:
        return None
    if status < 400 and scope.get("is_logged"):
        return None
    given = [str(value) for value in scope.get("path_params", {}).values()]
    created = next((value for name, value in headers if name.lower() == b"location"), b"")
    target = given[-1] if given else created.decode("latin-1").partition("?")[0].rpartition("/")[2]
    return build_change(scope, status, target)


def build_change(scope: Scope, status: int, target: str = "") -> Change:
    """Return the change that the caller of a route makes."""
    action, address, reason = scope["endpoint"].__name__, scope.get("address", ""), scope.get("reason", "")
    return Change(scope["principal"], action, target[:_MOST_TARGET], status, address, scope["request_id"], reason)
