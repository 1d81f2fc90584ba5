"""The users. The audit log shows the names of the form functions, which are those of the API."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from kaboom.dashboard.page_request import Page
from kaboom.dashboard.viewer import first_of, read_form
from kaboom.errors import InvalidRequest
from kaboom.jobs.deps import needs
from kaboom.web.auth.scopes import SCOPES, Role, Scope

router = APIRouter(dependencies=[needs(Scope.ADMIN)])
API = "/api/v1/users"
#: The change that each button makes to a user, by the value of the button.
_CHANGES: Mapping[str, Mapping[str, object]] = {
    "enable": {"is_disabled": False},
    "disable": {"is_disabled": True},
    **{f"role_{role.value}": {"role": role.value} for role in Role},
}
UserId = Annotated[str, Path(pattern="^usr_[0-9a-f]{32}$")]


@router.get("/users")
async def show_users(page: Page, done: Annotated[str, Query(max_length=20)] = "") -> Response:
    """Show the users, by name, and the form for a new one."""
    return await _show(page, done=done)


@router.post("/users")
async def create_user(page: Page, request: Request) -> Response:
    """Add a user; a refused form is shown again with the reason, without the password."""
    fields = await read_form(request)
    given = {name: first_of(fields, name) for name in ("name", "role")}
    reply = await page.api.post(API, given | {"password": first_of(fields, "password")})
    if not reply.is_ok:
        return await _show(page, reply.status, given=given, problem=reply.problem)
    return page.go_to("/users?done=added")


@router.post("/users/{user_id}")
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
    (await page.api.patch(f"{API}/{user_id}", body)).require()
    return page.go_to("/users?done=changed")


async def _show(page: Page, status_code: int = 200, **values: Any) -> Response:
    found = await page.ask(API)
    defaults = {"given": {"name": "", "role": "viewer"}, "problem": None, "done": ""}
    return await page.show(
        "admin/users.html",
        status_code,
        found=found,
        roles=[role.value for role in Role],
        scopes_of={role.value: sorted(SCOPES[role]) for role in Role},
        me=page.viewer.principal.subject if page.viewer.principal else "",
        **(defaults | values),
    )
