"""The pages of the log-in, of users, tokens and sessions, and of the audit log."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response, status
from pydantic import BaseModel, Field

from kaboom.accounts.schemas import AuditPage, CreatedToken, SessionList, TokenList, UserList, UserView
from kaboom.accounts.service import accounts_of
from kaboom.accounts.sessions import Confirmation
from kaboom.dashboard.api_client import Reply, problem_of
from kaboom.dashboard.links import link_to, page_links
from kaboom.dashboard.page_request import NextPath, Page
from kaboom.dashboard.viewer import check_form, first_of, is_own_path, number_or_text, read_form
from kaboom.errors import InvalidRequest, NotAuthorized, NotFound, StoreError
from kaboom.jobs.deps import needs
from kaboom.market.calendar import JST
from kaboom.web.auth.changes import Action, context_of, logged_as
from kaboom.web.auth.cookies import read_session_value, session_id_of
from kaboom.web.auth.scopes import SCOPES, Role, Scope
from kaboom.web.caller_errors import TooManyLogins

router = APIRouter()


@router.get("/login")
async def show_login(page: Page, to: NextPath = "/") -> Response:
    """Show the form."""
    return await page.show("login.html", to=to if is_own_path(to) else "/", refusal="", is_by_token=False, user="")


@router.post("/login")
@logged_as(Action.LOG_IN)
async def log_in(page: Page, request: Request) -> Response:
    """Open a session, and redirect to the page that the browser asked for."""
    fields = {name: values[-1] for name, values in (await read_form(request)).items()}
    to = fields.get("next", "/")
    response = page.go_to(to if is_own_path(to) else "/")
    refusal = await sign_in(request, fields, response)
    if not refusal:
        return response
    given = {"is_by_token": bool(fields.get("token")), "user": fields.get("user", "")}
    return await page.show("login.html", 403, to=to if is_own_path(to) else "/", refusal=refusal, **given)


@router.post("/confirm", dependencies=[needs()])
@logged_as(Action.CONFIRM_SESSION)
async def confirm_session(page: Page, request: Request) -> Response:
    """Take the password or the token of the session again, and return to the page that asked for it."""
    fields = {name: values[-1] for name, values in (await read_form(request)).items()}
    to = fields.get("next", "/")
    if refusal := await confirm(request, fields):
        return await page.show("confirm.html", 403, refusal=refusal, back=to if is_own_path(to) else "/")
    return page.go_to(to if is_own_path(to) else "/")


@router.post("/logout", dependencies=[needs()])
@logged_as(Action.LOG_OUT)
async def log_out(page: Page, request: Request) -> Response:
    """End the session of the browser, or all sessions and JWTs of its user, and show the log-in."""
    if first_of(await read_form(request), "everywhere"):
        (await page.api.delete("/api/v1/session", everywhere="true")).require()
    response = page.go_to("/login")
    await sign_out(request, response)
    return response


async def sign_in(request: Request, fields: Mapping[str, str], response: Response) -> str:
    """Log in by `user` and `password`, or by `token`, and set the session's cookie on the response.

    Returns "", or the reason of a refusal, as a key of the texts of the log-in page.
    """
    accounts, address = await accounts_of(request), context_of(request.scope).address
    headers = dict(request.scope["headers"])
    try:
        if fields.get("user"):
            login = await accounts.logins.by_password(
                fields["user"], fields.get("password", ""), address=address, headers=headers
            )
        else:
            login = await accounts.logins.by_token(fields.get("token", ""), address)
        new = await accounts.sessions.create(login, headers, address)
        device = await accounts.devices.make_cookie(headers, login.account) if login.account else ""
    except NotAuthorized:
        return "refused"
    except TooManyLogins:
        return "slowed"
    except StoreError:
        return "unavailable"
    context_of(request.scope).principal = login.principal
    response.headers["Set-Cookie"] = new.cookie
    if device:
        response.headers.append("Set-Cookie", device)
    return ""


async def confirm(request: Request, fields: Mapping[str, str]) -> str:
    """Enter the password or the token of the request's session again.

    Returns "", or the reason of a refusal, as `sign_in` does.
    """
    accounts = await accounts_of(request)
    given = Confirmation(fields.get("password", ""), fields.get("token", ""), context_of(request.scope).address)
    try:
        await accounts.sessions.confirm(dict(request.scope["headers"]), given, accounts.logins)
    except (NotAuthorized, NotFound):
        return "refused"
    except TooManyLogins:
        return "slowed"
    except StoreError:
        return "unavailable"
    return ""


async def sign_out(request: Request, response: Response) -> None:
    """End the session of the request, and delete its cookie."""
    accounts = await accounts_of(request)
    response.headers["Set-Cookie"] = await accounts.sessions.end(dict(request.scope["headers"]))


_USERS = "/api/v1/users"
#: The change that each button makes to a user, by the value of the button.
_CHANGES: Mapping[str, Mapping[str, object]] = {
    "enable": {"is_disabled": False},
    "disable": {"is_disabled": True},
    **{f"role_{role.value}": {"role": role.value} for role in Role},
}
UserId = Annotated[str, Path(pattern="^usr_[0-9a-f]{32}$")]


@router.get("/users", dependencies=[needs(Scope.ADMIN)])
async def show_users(page: Page, done: Annotated[str, Query(max_length=20)] = "") -> Response:
    """Show the users, by name, and the form for a new one."""
    return await _render_users(page, done=done)


@router.post("/users", dependencies=[needs(Scope.ADMIN)])
async def create_user(page: Page, request: Request) -> Response:
    """Add a user; a refused form is shown again with the reason, without the password."""
    fields = await read_form(request)
    given = {name: first_of(fields, name) for name in ("name", "role")}
    reply = await page.api.post(UserView, _USERS, given | {"password": first_of(fields, "password")})
    if not reply.is_ok:
        return await _render_users(page, reply.status, given=given, problem=reply.problem)
    return page.go_to("/users?done=added")


@router.post("/users/{user_id}", dependencies=[needs(Scope.ADMIN)])
async def change_user(page: Page, request: Request, user_id: UserId) -> Response:
    """Change the role or the password of a user, or whether they may log in."""
    fields = await read_form(request)
    change = first_of(fields, "change")
    if change == "password":
        body: Mapping[str, object] = {"password": first_of(fields, "password")}
    elif change in _CHANGES:
        body = _CHANGES[change]
    else:
        raise InvalidRequest(f"the change was {change[:20]!r}, expected password or one of {', '.join(_CHANGES)}")
    reply = await page.api.patch(UserView, f"{_USERS}/{user_id}", body)
    if reply.status == status.HTTP_422_UNPROCESSABLE_CONTENT:
        return await _render_users(page, reply.status, problem=reply.problem, changed=user_id)
    reply.require()
    return page.go_to("/users?done=changed")


async def _render_users(page: Page, status_code: int = 200, **values: Any) -> Response:
    found = await page.api.get(UserList, _USERS)
    defaults = {"given": {"name": "", "role": "viewer"}, "problem": None, "changed": "", "done": ""}
    return await page.show(
        "admin/users.html",
        status_code,
        found=found,
        roles=[role.value for role in Role],
        scopes_of={role.value: sorted(SCOPES[role]) for role in Role},
        me=page.viewer.principal.subject if page.viewer.principal else "",
        **(defaults | values),
    )


_TOKENS = "/api/v1/tokens"
#: The days for which a token can be valid.
_LIVES = ("30", "90", "365", "never")
#: A token that expires within this time is marked.
_SOON = timedelta(days=14)
TokenId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]


@router.get("/tokens", dependencies=[needs(Scope.ADMIN)])
async def show_tokens(page: Page, done: Annotated[str, Query(max_length=20)] = "") -> Response:
    """Show the tokens, newest first, and the form for a new one."""
    return await _render_tokens(page, done=done)


@router.post("/tokens", dependencies=[needs(Scope.ADMIN)])
async def create_token(page: Page, request: Request) -> Response:
    """Add a token, and show its value; without a redirect, because the value is shown only once."""
    fields = await read_form(request)
    given = {"name": first_of(fields, "name"), "scopes": fields.get("scopes", [])}
    days = first_of(fields, "expires_days")
    life = {"expires_days": number_or_text(days)} if days else {}
    reply = await page.api.post(CreatedToken, _TOKENS, given | life)
    if not reply.is_ok:
        return await _render_tokens(page, reply.status, given=given | {"expires_days": days}, problem=reply.problem)
    response = await _render_tokens(page, status.HTTP_201_CREATED, made=reply.data)
    response.headers["Location"] = f"/tokens/{reply.data.id}"
    return response


@router.post("/tokens/{token_id}/revoke", dependencies=[needs(Scope.ADMIN)])
async def revoke_token(page: Page, request: Request, token_id: TokenId) -> Response:
    """Revoke a token, and all logins that were made with it."""
    await check_form(request)
    (await page.api.delete(f"{_TOKENS}/{token_id}")).require()
    return page.go_to("/tokens?done=revoked")


async def _render_tokens(page: Page, status_code: int = 200, **values: Any) -> Response:
    found = await page.api.get(TokenList, _TOKENS)
    defaults = {
        "given": {"name": "", "scopes": [], "expires_days": "90"},
        "problem": None,
        "done": "",
        "made": None,
    }
    return await page.show(
        "admin/tokens.html",
        status_code,
        found=found,
        scopes=[scope.value for scope in Scope],
        lives=_LIVES,
        soon=page.viewer.now + _SOON,
        **(defaults | values),
    )


_OWN, _ALL = "/api/v1/me/sessions", "/api/v1/sessions"
SessionId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]


@router.get("/sessions", dependencies=[needs()])
async def show_sessions(
    page: Page, whose: Literal["own", "all"] = "own", done: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    """Show the sessions, the last used first."""
    found = await page.api.get(SessionList, _ALL if whose == "all" else _OWN)
    # The API sees no cookie of a page, so it does not know which session is the viewer's.
    current = session_id_of(read_session_value(dict(page.request.scope["headers"])))[:16]
    return await page.show("admin/sessions.html", found.status, found=found, whose=whose, done=done, current=current)


@router.post("/sessions/{session_id}/end", dependencies=[needs()])
async def end_own_session(page: Page, request: Request, session_id: SessionId) -> Response:
    """End a session of the viewer."""
    await check_form(request)
    (await page.api.delete(f"{_OWN}/{session_id}")).require()
    return page.go_to("/sessions?done=ended")


@router.post("/sessions/{session_id}/end-any", dependencies=[needs(Scope.ADMIN)])
async def end_any_session(page: Page, request: Request, session_id: SessionId) -> Response:
    """End a session of anybody."""
    await check_form(request)
    (await page.api.delete(f"{_ALL}/{session_id}")).require()
    return page.go_to("/sessions?whose=all&done=ended")


class AuditFilters(BaseModel):
    """The query of the page; `first` and `last` are days in Japan, both included."""

    subject: str = Field(default="", max_length=250)
    action: str = Field(default="", max_length=64)
    first: str = Field(default="", max_length=10)
    last: str = Field(default="", max_length=10)
    cursor: int | None = Field(default=None, ge=1, le=2**63 - 1)

    def link(self, **changed: object) -> str:
        """Return the link of the page with some filters changed, from its first row on."""
        return link_to("/audit", **self.model_dump(mode="json", exclude={"cursor"}) | changed)


@router.get("/audit", dependencies=[needs(Scope.ADMIN)])
async def show_audit(page: Page, filters: Annotated[AuditFilters, Query()]) -> Response:
    """Show what callers changed, newest first."""
    found = await _ask_audit(page, filters)
    return await page.show(
        "admin/audit.html",
        200 if found.is_ok or found.status >= 500 else found.status,
        found=found,
        filters=filters,
        **page_links(filters.link(), found, filters.cursor),
    )


async def _ask_audit(page: Page, filters: AuditFilters) -> Reply[AuditPage]:
    faults, times = list[InvalidRequest](), dict[str, str]()
    for name, day, days in (("first", filters.first, 0), ("last", filters.last, 1)):
        try:
            times[name] = day and _midnight(day, days=days)
        except (ValueError, OverflowError):
            faults.append(InvalidRequest("expected a day as YYYY-MM-DD", pointer=f"/{name}"))
    if faults:
        return Reply(status.HTTP_422_UNPROCESSABLE_CONTENT, problem=problem_of(*faults))
    asked = {"subject": filters.subject, "action": filters.action, "cursor": filters.cursor}
    return await page.api.get(AuditPage, "/api/v1/audit", **asked, since=times["first"], until=times["last"])


def _midnight(day: str, *, days: int) -> str:
    """Return the begin of a day in Japan, or of one that many days later."""
    return datetime.combine(date.fromisoformat(day) + timedelta(days=days), time(), JST).isoformat()
