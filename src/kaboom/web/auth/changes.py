"""What the gate knows of a request, and the change that its caller made, for the audit log."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from starlette.types import Scope

from kaboom.web.auth.principals import Principal

#: HTTP methods that change nothing.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
#: Where the ASGI scope holds the `RequestContext`.
CONTEXT = "kaboom"
_MOST_TARGET = 200
_FORBIDDEN = 403


class Action(StrEnum):
    """The words of the audit log for what a caller did; the action of a submitted job is the verb of its type.

    The words are stored and filtered by: a word is never renamed.
    """

    LOG_IN = "log_in"
    FAILED_LOGIN = "failed_login"
    BEGIN_SESSION = "begin_session"
    END_SESSION = "end_session"
    CHANGE_OWN_PASSWORD = "change_own_password"  # noqa: S105  the word for an operation
    END_OWN_SESSION = "end_own_session"
    END_ANY_SESSION = "end_any_session"
    CONFIRM_SESSION = "confirm_session"
    CREATE_USER = "create_user"
    CHANGE_USER = "change_user"
    END_SESSIONS = "end_sessions"
    CREATE_TOKEN = "create_token"  # noqa: S105  the word for an operation
    REVOKE_TOKEN = "revoke_token"  # noqa: S105  the word for an operation
    LOG_OUT = "log_out"
    BOOK_TRADE = "book_trade"
    BOOK_CASH = "book_cash"
    BOOK_DIVIDENDS = "book_dividends"
    REVERSE_ENTRY = "reverse_entry"
    IMPORT_PORTFOLIO = "import_portfolio"
    CREATE_PORTFOLIO = "create_portfolio"
    RENAME_PORTFOLIO = "rename_portfolio"
    DELETE_PORTFOLIO = "delete_portfolio"
    CREATE_CHANNEL = "create_channel"
    CHANGE_CHANNEL = "change_channel"
    DELETE_CHANNEL = "delete_channel"
    SEND_TEST = "send_test"
    TAKE_ALERTS = "take_alerts"
    CREATE_RULE = "create_rule"
    REPLACE_RULE = "replace_rule"
    SWITCH_RULE = "switch_rule"
    DELETE_RULE = "delete_rule"
    REPLAY_MESSAGE = "replay_message"
    CREATE_SCHEDULE = "create_schedule"
    CHANGE_SCHEDULE = "change_schedule"
    DELETE_SCHEDULE = "delete_schedule"
    RUN_SCHEDULE = "run_schedule"
    APPLY_PIPELINE = "apply_pipeline"
    DELETE_PIPELINE = "delete_pipeline"
    RUN_PIPELINE = "run_pipeline"
    CANCEL_PIPELINE_RUN = "cancel_pipeline_run"
    RETRY_PIPELINE_RUN = "retry_pipeline_run"
    SAVE_SCREEN = "save_screen"
    DELETE_SCREEN = "delete_screen"
    CLOSE_BREAKER = "close_breaker"
    REPLAY_WEBHOOK = "replay_webhook"
    CANCEL_JOB = "cancel_job"
    RETRY_JOB = "retry_job"
    DELETE_JOB = "delete_job"


@dataclass(slots=True)
class RequestContext:
    """What the gate knows of a request; it is the only thing of Kaboom in the ASGI scope.

    Attributes:
        principal: the caller; None if it is not authenticated.
        is_expired: whether the request had a JWT that has expired, and nothing better.
        reason: why the caller makes the change; empty if it did not say.
        is_logged: whether the change is in the audit log already, if the request succeeds.

    """

    request_id: str
    address: str
    principal: Principal | None = None
    is_expired: bool = False
    reason: str = ""
    is_logged: bool = False

    def for_call(self) -> "RequestContext":
        """Return the context of a call of the API by a page: the same caller, and a change of its own."""
        return replace(self, reason="", is_logged=False)


def context_of(scope: Scope) -> RequestContext:
    """Return the context that the gate gave to a request."""
    context: RequestContext = scope[CONTEXT]
    return context


def find_context(scope: Scope) -> RequestContext | None:
    """Return the context of a request; None if it has not passed the gate."""
    return scope.get(CONTEXT)


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


def logged_as[**P, R](action: str) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """Return the decorator that states the action of a route in the audit log; it stands below the route's own."""

    def state(endpoint: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        endpoint.action = action  # type: ignore[attr-defined]
        return endpoint

    return state


def find_change(scope: Scope, status: int, headers: Iterable[tuple[bytes, bytes]]) -> Change | None:
    """Return the change of a request that a route has answered; None if nothing is to be logged.

    A request that was rejected with 403 is logged as well, and so is a failure, since it may have changed something.
    """
    context, is_kept = context_of(scope), status < 400 or status >= 500 or status == _FORBIDDEN
    if scope["method"] in SAFE_METHODS or context.principal is None or "endpoint" not in scope or not is_kept:
        return None
    if status < 400 and context.is_logged:
        return None
    given = [str(value) for value in scope.get("path_params", {}).values()]
    created = next((value for name, value in headers if name.lower() == b"location"), b"")
    target = given[-1] if given else created.decode("latin-1").partition("?")[0].rpartition("/")[2]
    return build_change(scope, context.principal, status, target)


def build_change(scope: Scope, caller: Principal, status: int, target: str = "") -> Change:
    """Return the change that a caller of a route makes."""
    context, action = context_of(scope), scope["endpoint"].action
    return Change(caller, action, target[:_MOST_TARGET], status, context.address, context.request_id, context.reason)
