"""`/api/v1/login`, `/session`, `/me` and `/sessions`; for admins also `/users`, `/tokens` and `/audit`."""

from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import uuid4

from fastapi import APIRouter, Depends, Path, Query, Request, Response, status

from kaboom.accounts.directory import USER_PREFIX
from kaboom.accounts.logins import Login
from kaboom.accounts.model import Token, User, UserChange, no_user
from kaboom.accounts.passwords import normalize_name
from kaboom.accounts.schemas import (
    TOKEN_DAYS,
    AuditListing,
    AuditPage,
    AuditView,
    ConfirmBody,
    ConfirmedView,
    CreatedToken,
    LoginAnswer,
    LoginBody,
    Me,
    NewToken,
    NewUser,
    PasswordBody,
    SessionList,
    SessionView,
    TokenList,
    TokenView,
    UserList,
    UserPatch,
    UserView,
    view_listed_session,
    view_me,
    view_token,
    view_user,
)
from kaboom.accounts.service import Accounts, accounts_of
from kaboom.accounts.sessions import Confirmation
from kaboom.audit.log import AuditLog, AuditQuery
from kaboom.audit.store import open_audit_log
from kaboom.drivers.clock import utc_now
from kaboom.errors import Forbidden, InvalidRequest, NotFound
from kaboom.jobs.deps import Caller, needs, opened
from kaboom.web.auth.changes import Action, context_of, logged_as
from kaboom.web.auth.cookies import BY_COOKIE, find_origin_fault, read_session_value, session_id_of
from kaboom.web.auth.guard import CONFIRMED, require_scopes
from kaboom.web.auth.jwt.supabase import METHOD as SUPABASE
from kaboom.web.auth.jwt.supabase import SUBJECT_PREFIX as SUPABASE_PREFIX
from kaboom.web.auth.principals import Principal
from kaboom.web.auth.scopes import SCOPES, Scope
from kaboom.web.auth.tokens import TOKEN_PREFIX, make_api_token
from kaboom.web.errors import (
    CONFLICT,
    FORBIDDEN,
    INVALID,
    NOT_FOUND,
    OF_BODY,
    RATE_LIMITED,
    UNAUTHORIZED,
    UNAVAILABLE,
    describe_problems,
)
from kaboom.web.routers import FeatureRouter, link_next

Service = Annotated[Accounts, Depends(accounts_of)]
_ONE = describe_problems(NOT_FOUND, INVALID)
_LOGIN = describe_problems(*OF_BODY, UNAUTHORIZED, FORBIDDEN, RATE_LIMITED, UNAVAILABLE)

router = APIRouter(prefix="/api/v1", tags=["accounts"])


@router.post("/login", responses=_LOGIN)
@logged_as(Action.LOG_IN)
async def log_in(accounts: Service, request: Request, response: Response, body: LoginBody) -> LoginAnswer:
    """Log in for a JWT, which is valid for 12 hours, as long as its user or token is valid.

    After several failures logins are delayed, by account and by address.
    """
    login = await _check_login(accounts, request, response, body)
    if login.principal.method == SUPABASE:
        raise InvalidRequest("a JWT of Supabase is a bearer token itself: send it as it is", pointer="/token")
    token, expires_at = await accounts.jwts.issue(login.subject, utc_now())
    return LoginAnswer(token=token, token_type="Bearer", expires_at=expires_at, me=view_me(login.principal))  # noqa: S106


@router.post("/login/session", status_code=status.HTTP_201_CREATED, responses=_LOGIN)
@logged_as(Action.BEGIN_SESSION)
async def begin_session(accounts: Service, request: Request, response: Response, body: LoginBody) -> SessionView:
    """Log a browser in with an HttpOnly session cookie; it ends after 12 hours without use, or after 7 days.

    A request that changes something needs the header `x-csrf-token`, and an `Origin` of this server.
    """
    login = await _check_login(accounts, request, response, body)
    headers = dict(request.scope["headers"])
    new = await accounts.sessions.create(login, headers, context_of(request.scope).address)
    response.headers["Set-Cookie"] = new.cookie
    if login.account:
        response.headers.append("Set-Cookie", await accounts.devices.make_cookie(headers, login.account))
    me = view_me(login.principal).model_copy(update={"method": BY_COOKIE})
    return SessionView(csrf_token=new.csrf_token, expires_at=new.session.expires_at, me=me)


@router.get("/session", responses=describe_problems(NOT_FOUND), dependencies=[needs()])
async def show_session(accounts: Service, request: Request, caller: Caller) -> SessionView:
    """Show the session of the cookie, with its CSRF token."""
    found = await accounts.sessions.find(dict(request.scope["headers"])) if caller.method == BY_COOKIE else None
    if found is None:
        raise NotFound("the request has no session: its caller did not log in with a cookie")
    session, csrf_token = found
    return SessionView(csrf_token=csrf_token, expires_at=session.expires_at, me=view_me(caller))


@router.delete(
    "/session", status_code=status.HTTP_204_NO_CONTENT, responses=describe_problems(INVALID), dependencies=[needs()]
)
@logged_as(Action.END_SESSION)
async def end_session(
    accounts: Service,
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
@logged_as(Action.CHANGE_OWN_PASSWORD)
async def change_own_password(accounts: Service, request: Request, caller: Caller, body: PasswordBody) -> None:
    """Change the caller's own password, and log it out everywhere."""
    user = await accounts.directory.store.load_user(caller.subject)
    if user is None:
        raise Forbidden("the caller is not a user with a password")
    headers, address = dict(request.scope["headers"]), context_of(request.scope).address
    await accounts.logins.by_password(user.name, body.old, address=address, headers=headers)
    new = await accounts.passwords.hash(body.new, name=user.name, pointer="/new")
    await accounts.directory.store.change_user(user.owner, user.user_id, UserChange(password_hash=new))
    await accounts.sessions.end_all(caller)


async def _check_login(accounts: Accounts, request: Request, response: Response, body: LoginBody) -> Login:
    headers, address = dict(request.scope["headers"]), context_of(request.scope).address
    if fault := find_origin_fault(headers):
        raise Forbidden(fault)
    if body.token:
        login = await accounts.logins.by_token(body.token, address)
    else:
        login = await accounts.logins.by_password(body.user, body.password, address=address, headers=headers)
    response.headers["Cache-Control"] = "no-store"
    # The gate writes the login to the audit log as a change by this caller.
    context_of(request.scope).principal = login.principal
    return login


#: The first 16 of the 64 hex digits of a session's id.
SessionId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="16 hex digits")]


@router.get("/me/sessions", dependencies=[needs()])
async def list_own_sessions(accounts: Service, caller: Caller, request: Request) -> SessionList:
    """List the caller's own sessions of browsers, last used first."""
    return await _list_sessions(accounts, caller, request, subject=caller.subject)


@router.delete(
    "/me/sessions/{session_id}", status_code=status.HTTP_204_NO_CONTENT, responses=_ONE, dependencies=[needs()]
)
@logged_as(Action.END_OWN_SESSION)
async def end_own_session(accounts: Service, caller: Caller, session_id: SessionId) -> None:
    """End one of the caller's own sessions; every process refuses it within 5 s."""
    await accounts.sessions.end_listed(caller.owner, session_id, subject=caller.subject)


@router.get("/sessions", dependencies=[needs(Scope.ADMIN)])
async def list_sessions(accounts: Service, caller: Caller, request: Request) -> SessionList:
    """List the sessions of all callers of the owner, last used first, at most 1,000."""
    return await _list_sessions(accounts, caller, request)


@router.delete(
    "/sessions/{session_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=_ONE,
    dependencies=[needs(Scope.ADMIN)],
)
@logged_as(Action.END_ANY_SESSION)
async def end_any_session(accounts: Service, caller: Caller, session_id: SessionId) -> None:
    """End a session of anybody; every process refuses it within 5 s."""
    await accounts.sessions.end_listed(caller.owner, session_id)


@router.post(
    "/session/confirm",
    responses=describe_problems(*OF_BODY, NOT_FOUND, UNAUTHORIZED, FORBIDDEN, RATE_LIMITED),
    dependencies=[needs()],
)
@logged_as(Action.CONFIRM_SESSION)
async def confirm_session(accounts: Service, request: Request, body: ConfirmBody) -> ConfirmedView:
    """Enter the password of the session's user again, or its token: admin changes are then accepted for 10 minutes."""
    asked = Confirmation(body.password, body.token, context_of(request.scope).address)
    at = await accounts.sessions.confirm(dict(request.scope["headers"]), asked, accounts.logins)
    return ConfirmedView(confirmed_until=at + CONFIRMED)


async def _list_sessions(
    accounts: Accounts, caller: Principal, request: Request, *, subject: str | None = None
) -> SessionList:
    current = session_id_of(read_session_value(dict(request.scope["headers"])))
    found = await accounts.sessions.list_valid(caller.owner, subject=subject)
    return SessionList(items=[view_listed_session(session, current=current) for session in found])


_PREFIX = "/api/v1"
_BODY = describe_problems(*OF_BODY, CONFLICT)
UserId = Annotated[str, Path(pattern="^usr_[0-9a-f]{32}$", description="usr_ and 32 hex digits")]
TokenId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="16 hex digits")]

admin_router = FeatureRouter(prefix=_PREFIX, tags=["accounts"], dependencies=[needs(Scope.ADMIN)])


@admin_router.get("/users")
async def list_users(accounts: Service, caller: Caller) -> UserList:
    """List the users, by name."""
    users = await accounts.directory.store.list_users(caller.owner)
    return UserList(items=[view_user(user) for user in users])


@admin_router.post("/users", status_code=status.HTTP_201_CREATED, responses=_BODY)
@logged_as(Action.CREATE_USER)
async def create_user(accounts: Service, caller: Caller, body: NewUser, response: Response) -> UserView:
    """Create a user, who logs in with the name and the password."""
    require_scopes(caller, sorted(SCOPES[body.role]))
    name = normalize_name(body.name)
    password_hash = await accounts.passwords.hash(body.password, name=name)
    new = User(f"{USER_PREFIX}{uuid4().hex}", caller.owner, name, password_hash, body.role)
    kept = await accounts.directory.store.add_user(new)
    response.headers["Location"] = f"{_PREFIX}/users/{kept.user_id}"
    return view_user(kept)


@admin_router.get("/users/{user_id}", responses=_ONE)
async def show_user(accounts: Service, caller: Caller, user_id: UserId) -> UserView:
    """Show one user."""
    return view_user(await _find_user(accounts, caller, user_id))


@admin_router.patch("/users/{user_id}", responses=_ONE | _BODY)
@logged_as(Action.CHANGE_USER)
async def change_user(accounts: Service, caller: Caller, user_id: UserId, body: UserPatch) -> UserView:
    """Change a user's role or password, disable or enable the user; every process applies it within 5 s."""
    user = await _find_user(accounts, caller, user_id)
    require_scopes(caller, sorted(SCOPES[user.role] | (SCOPES[body.role] if body.role else frozenset())))
    password = await accounts.passwords.hash(body.password, name=user.name) if body.password else None
    change = UserChange(body.role, body.is_disabled, password)
    changed = await accounts.directory.store.change_user(caller.owner, user_id, change)
    if password or body.is_disabled:
        await accounts.directory.store.sign_out(user_id, utc_now())
    accounts.directory.forget(user_id)
    return view_user(changed)


@admin_router.delete("/users/{user_id}/sessions", status_code=status.HTTP_204_NO_CONTENT, responses=_ONE)
@logged_as(Action.END_SESSIONS)
async def end_sessions(accounts: Service, caller: Caller, user_id: UserId) -> None:
    """Log a user out everywhere: void all sessions and JWTs of the user within 5 s."""
    await _find_user(accounts, caller, user_id)
    await accounts.directory.store.sign_out(user_id, utc_now())
    accounts.directory.forget(user_id)


@admin_router.get("/tokens")
async def list_tokens(accounts: Service, caller: Caller) -> TokenList:
    """List the tokens, newest first, including those that ended in the last 400 days."""
    tokens = await accounts.directory.store.list_tokens(caller.owner)
    return TokenList(items=[await _view_token(accounts, token) for token in tokens])


@admin_router.post("/tokens", status_code=status.HTTP_201_CREATED, responses=_BODY)
@logged_as(Action.CREATE_TOKEN)
async def create_token(accounts: Service, caller: Caller, body: NewToken, response: Response) -> CreatedToken:
    """Create a token for a program; only this answer has its value.

    The token ends with its maker, and allows no more than its maker may at its use.
    """
    require_scopes(caller, sorted(body.scopes))
    made = make_api_token()
    new = Token(
        token_id=made.token_id,
        owner=caller.owner,
        name=body.name,
        scopes=frozenset(body.scopes),
        digest=made.digest,
        created_by=caller.subject,
        expires_at=await _find_expiry(accounts, caller, body.expires_days),
    )
    kept = await accounts.directory.store.add_token(new)
    # A request with this id may have been rejected before, and the answer may still be cached.
    accounts.directory.forget(kept.token_id)
    response.headers["Location"] = f"{_PREFIX}/tokens/{kept.token_id}"
    return CreatedToken(**(await _view_token(accounts, kept)).model_dump(), token=made.text)


@admin_router.delete("/tokens/{token_id}", responses=_ONE)
@logged_as(Action.REVOKE_TOKEN)
async def revoke_token(accounts: Service, caller: Caller, token_id: TokenId) -> TokenView:
    """Revoke a token, with all sessions and JWTs of its logins; every process applies it within 5 s."""
    revoked = await accounts.directory.store.revoke_token(caller.owner, token_id)
    accounts.directory.forget(token_id, f"{TOKEN_PREFIX}{token_id}")
    return await _view_token(accounts, revoked)


async def _view_token(accounts: Accounts, token: Token) -> TokenView:
    return view_token(token, await accounts.directory.scopes_now(token))


async def _find_expiry(accounts: Accounts, caller: Principal, days: int | Literal["never"]) -> datetime | None:
    """Return when a new token of a caller expires: at the latest with the token that makes it.

    Raises:
        InvalidRequest: a user of Supabase asked for longer than the default: Kaboom does not hear when it is disabled.

    """
    if caller.subject.startswith(SUPABASE_PREFIX) and (days == "never" or days > TOKEN_DAYS):
        raise InvalidRequest(
            f"expires_days was {days}, expected at most {TOKEN_DAYS}:"
            " Kaboom does not see when Supabase disables a user",
            pointer="/expires_days",
        )
    wanted = None if days == "never" else utc_now() + timedelta(days=days)
    maker = None
    if caller.subject.startswith(TOKEN_PREFIX):
        maker = await accounts.directory.store.load_token(caller.subject.removeprefix(TOKEN_PREFIX))
    ends = [at for at in (wanted, maker.expires_at if maker else None) if at]
    return min(ends, default=None)


async def _find_user(accounts: Service, caller: Principal, user_id: str) -> User:
    user = await accounts.directory.store.load_user(user_id)
    if user is None or user.owner != caller.owner:
        raise NotFound(no_user(user_id))
    return user


Audit = Annotated[AuditLog, opened(open_audit_log)]


@admin_router.get("/audit", responses=describe_problems(INVALID))
async def list_audit(
    audit: Audit, caller: Caller, request: Request, response: Response, query: Annotated[AuditListing, Query()]
) -> AuditPage:
    """List the changes that callers made in the last 400 days, newest first; `Link` leads to the next page."""
    found = await audit.list_lines(
        AuditQuery(
            caller.owner,
            subject=query.subject,
            action=query.action,
            since=query.since,
            until=query.until,
            before=query.cursor,
            limit=query.limit,
        )
    )
    cursor = str(found[-1].place) if len(found) == query.limit else None
    link_next(request, response.headers, cursor)
    return AuditPage(items=[AuditView.model_validate(line) for line in found], next_cursor=cursor)
