"""`/api/v1/login`, `/session` and `/me`: log in, log out, and show the caller."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response, status

from kaboom.accounts.logins import Login
from kaboom.accounts.model import UserChange
from kaboom.accounts.schemas import LoginAnswer, LoginBody, Me, PasswordBody, SessionView, view_me
from kaboom.accounts.service import Accounts, accounts_of
from kaboom.drivers.clock import utc_now
from kaboom.errors import Forbidden, InvalidRequest, NotFound
from kaboom.jobs.deps import Caller, needs
from kaboom.web.auth.cookies import BY_COOKIE, find_origin_fault
from kaboom.web.auth.jwt.supabase import METHOD as SUPABASE
from kaboom.web.errors import (
    FORBIDDEN,
    INVALID,
    NOT_FOUND,
    OF_BODY,
    RATE_LIMITED,
    UNAUTHORIZED,
    UNAVAILABLE,
    describe_problems,
)

Desk = Annotated[Accounts, Depends(accounts_of)]
_LOGIN = describe_problems(*OF_BODY, UNAUTHORIZED, FORBIDDEN, RATE_LIMITED, UNAVAILABLE)

router = APIRouter(prefix="/api/v1", tags=["accounts"])


@router.post("/login", responses=_LOGIN)
async def log_in(accounts: Desk, request: Request, response: Response, body: LoginBody) -> LoginAnswer:
    """Log in for a JWT, which is valid for 12 hours, as long as its user or token is valid.

    After several failures logins are delayed, by account and by address.
    """
    login = await _check(accounts, request, response, body)
    if login.principal.method == SUPABASE:
        raise InvalidRequest("a JWT of Supabase is a bearer token itself: send it as it is", pointer="/token")
    token, expires_at = await accounts.jwts.issue(login.subject, utc_now())
    return LoginAnswer(token=token, token_type="Bearer", expires_at=expires_at, me=view_me(login.principal))  # noqa: S106


@router.post("/login/session", status_code=status.HTTP_201_CREATED, responses=_LOGIN)
async def begin_session(accounts: Desk, request: Request, response: Response, body: LoginBody) -> SessionView:
    """Log a browser in with an HttpOnly session cookie; it ends after 12 hours without use, or after 7 days.

    A request that changes something needs the header `x-csrf-token`, and an `Origin` of this server.
    """
    login = await _check(accounts, request, response, body)
    headers = dict(request.scope["headers"])
    new = await accounts.sessions.create(login, headers, request.scope["address"])
    response.headers["Set-Cookie"] = new.cookie
    if login.account:
        response.headers.append("Set-Cookie", await accounts.devices.make_cookie(headers, login.account))
    me = view_me(login.principal).model_copy(update={"method": BY_COOKIE})
    return SessionView(csrf_token=new.csrf_token, expires_at=new.session.expires_at, me=me)


@router.get("/session", responses=describe_problems(NOT_FOUND), dependencies=[needs()])
async def show_session(accounts: Desk, request: Request, caller: Caller) -> SessionView:
    """Show the session of the cookie, with its CSRF token."""
    found = await accounts.sessions.find(dict(request.scope["headers"])) if caller.method == BY_COOKIE else None
    if found is None:
        raise NotFound("the request has no session: its caller did not log in with a cookie")
    session, csrf_token = found
    return SessionView(csrf_token=csrf_token, expires_at=session.expires_at, me=view_me(caller))


@router.delete(
    "/session", status_code=status.HTTP_204_NO_CONTENT, responses=describe_problems(INVALID), dependencies=[needs()]
)
async def end_session(
    accounts: Desk,
    request: Request,
    response: Response,
    caller: Caller,
    *,
    everywhere: Annotated[bool, Query(description="void all sessions and JWTs of the caller")] = False,
) -> None:
    """Log out: end the session of the cookie, or with `everywhere` all sessions and JWTs of the caller."""
    if everywhere:
        await accounts.sessions.end_all(caller)
    response.headers["Set-Cookie"] = await accounts.sessions.end(dict(request.scope["headers"]))


@router.get("/me", dependencies=[needs()])
async def show_me(caller: Caller) -> Me:
    """Show the caller and its scopes."""
    return view_me(caller)


@router.post(
    "/me/password",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=describe_problems(*OF_BODY, FORBIDDEN),
    dependencies=[needs()],
)
async def change_own_password(accounts: Desk, request: Request, caller: Caller, body: PasswordBody) -> None:
    """Change the caller's own password, and log it out everywhere."""
    user = await accounts.directory.store.load_user(caller.subject)
    if user is None:
        raise Forbidden("the caller is not a user with a password")
    headers, address = dict(request.scope["headers"]), request.scope["address"]
    await accounts.logins.by_password(user.name, body.old, address=address, headers=headers)
    new = await accounts.passwords.hash(body.new, name=user.name, pointer="/new")
    await accounts.directory.store.change_user(user.owner, user.user_id, UserChange(password_hash=new))
    await accounts.sessions.end_all(caller)


async def _check(accounts: Accounts, request: Request, response: Response, body: LoginBody) -> Login:
    headers, address = dict(request.scope["headers"]), request.scope["address"]
    if fault := find_origin_fault(headers):
        raise Forbidden(fault)
    if body.token:
        login = await accounts.logins.by_token(body.token, address)
    else:
        login = await accounts.logins.by_password(body.user, body.password, address=address, headers=headers)
    response.headers["Cache-Control"] = "no-store"
    # The gate writes the login to the audit log as a change by this caller.
    request.scope["principal"] = login.principal
    return login
