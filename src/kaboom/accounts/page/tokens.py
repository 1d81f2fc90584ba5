"""The tokens of programs. The audit log shows the names of the form functions, which are those of the API."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response, status

from kaboom.dashboard.page_request import Page
from kaboom.dashboard.viewer import first_of, number_or_text, read_form
from kaboom.jobs.deps import needs
from kaboom.web.auth.scopes import Scope

router = APIRouter(dependencies=[needs(Scope.ADMIN)])
API = "/api/v1/tokens"
#: The days for which a token can be valid.
_LIVES = ("30", "90", "365", "never")
#: A token that expires within this time is marked.
_SOON = timedelta(days=14)
TokenId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]


@router.get("/tokens")
async def show_tokens(page: Page, done: Annotated[str, Query(max_length=20)] = "") -> Response:
    """Show the tokens, newest first, and the form for a new one."""
    return await _show(page, done=done)


@router.post("/tokens")
async def create_token(page: Page, request: Request) -> Response:
    """Add a token, and show its value; without a redirect, because the value is shown only once."""
    fields = await read_form(request)
    given = {"name": first_of(fields, "name"), "scopes": fields.get("scopes", [])}
    days = first_of(fields, "expires_days")
    life = {"expires_days": number_or_text(days)} if days else {}
    reply = await page.api.post(API, given | life)
    if not reply.is_ok:
        return await _show(page, reply.status, given=given | {"expires_days": days}, problem=reply.problem)
    response = await _show(page, status.HTTP_201_CREATED, made=reply.data)
    response.headers["Location"] = f"/tokens/{reply.data['id']}"
    return response


@router.post("/tokens/{token_id}/revoke")
async def revoke_token(page: Page, request: Request, token_id: TokenId) -> Response:
    """Revoke a token, and all logins that were made with it."""
    await read_form(request)
    (await page.api.delete(f"{API}/{token_id}")).require()
    return page.go_to("/tokens?done=revoked")


async def _show(page: Page, status_code: int = 200, **values: Any) -> Response:
    found = await page.ask(API)
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
