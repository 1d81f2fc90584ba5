"""`/api/v1/me/sessions` and `/api/v1/sessions`: list and end the sessions of browsers, and confirm the own one."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, status

from kaboom.accounts.login_routes import Desk
from kaboom.accounts.schemas import ConfirmBody, ConfirmedView, SessionList, view_listed_session
from kaboom.accounts.service import Accounts
from kaboom.accounts.sessions import Confirmation
from kaboom.jobs.deps import Caller, needs
from kaboom.web.auth.cookies import read_session_value, session_id_of
from kaboom.web.auth.guard import CONFIRMED
from kaboom.web.auth.principals import Principal
from kaboom.web.auth.scopes import Scope
from kaboom.web.errors import FORBIDDEN, INVALID, NOT_FOUND, OF_BODY, RATE_LIMITED, UNAUTHORIZED, describe_problems

_ONE = describe_problems(NOT_FOUND, INVALID)
#: The first 16 of the 64 hex digits of a session's id.
SessionId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="16 hex digits")]

router = APIRouter(prefix="/api/v1", tags=["accounts"])


@router.get("/me/sessions", dependencies=[needs()])
async def list_own_sessions(accounts: Desk, caller: Caller, request: Request) -> SessionList:
    """List the caller's own sessions of browsers, last used first."""
    return await _list(accounts, caller, request, subject=caller.subject)


@router.delete(
    "/me/sessions/{session_id}", status_code=status.HTTP_204_NO_CONTENT, responses=_ONE, dependencies=[needs()]
)
async def end_own_session(accounts: Desk, caller: Caller, session_id: SessionId) -> None:
    """End one of the caller's own sessions; every process refuses it within 5 s."""
    await accounts.sessions.end_listed(caller.owner, session_id, subject=caller.subject)


@router.get("/sessions", dependencies=[needs(Scope.ADMIN)])
async def list_sessions(accounts: Desk, caller: Caller, request: Request) -> SessionList:
    """List the sessions of all callers of the owner, last used first, at most 1,000."""
    return await _list(accounts, caller, request)


@router.delete(
    "/sessions/{session_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=_ONE,
    dependencies=[needs(Scope.ADMIN)],
)
async def end_any_session(accounts: Desk, caller: Caller, session_id: SessionId) -> None:
    """End a session of anybody; every process refuses it within 5 s."""
    await accounts.sessions.end_listed(caller.owner, session_id)


@router.post(
    "/session/confirm",
    responses=describe_problems(*OF_BODY, NOT_FOUND, UNAUTHORIZED, FORBIDDEN, RATE_LIMITED),
    dependencies=[needs()],
)
async def confirm_session(accounts: Desk, request: Request, body: ConfirmBody) -> ConfirmedView:
    """Enter the password of the session's user again, or its token: admin changes are then accepted for 10 minutes."""
    asked = Confirmation(body.password, body.token, request.scope["address"])
    at = await accounts.sessions.confirm(dict(request.scope["headers"]), asked, accounts.logins)
    return ConfirmedView(confirmed_until=at + CONFIRMED)


async def _list(accounts: Accounts, caller: Principal, request: Request, *, subject: str | None = None) -> SessionList:
    current = session_id_of(read_session_value(dict(request.scope["headers"])))
    found = await accounts.sessions.list_valid(caller.owner, subject=subject)
    return SessionList(items=[view_listed_session(session, current=current) for session in found])
