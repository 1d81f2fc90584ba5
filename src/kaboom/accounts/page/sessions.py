"""The sessions of browsers: one's own for every viewer, those of all callers for admins."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from kaboom.dashboard.page_request import Page
from kaboom.dashboard.viewer import read_form
from kaboom.jobs.deps import needs
from kaboom.web.auth.cookies import read_session_value, session_id_of
from kaboom.web.auth.scopes import Scope

router = APIRouter()
_OWN, _ALL = "/api/v1/me/sessions", "/api/v1/sessions"
SessionId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]


@router.get("/sessions", dependencies=[needs()])
async def show_sessions(
    page: Page, whose: Literal["own", "all"] = "own", done: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    """Show the sessions, the last used first."""
    found = await page.ask(_ALL if whose == "all" else _OWN)
    # The API sees no cookie of a page, so it does not know which session is the viewer's.
    current = session_id_of(read_session_value(dict(page.request.scope["headers"])))[:16]
    return await page.show("admin/sessions.html", found.status, found=found, whose=whose, done=done, current=current)


@router.post("/sessions/{session_id}/end", dependencies=[needs()])
async def end_own_session(page: Page, request: Request, session_id: SessionId) -> Response:
    """End a session of the viewer."""
    await read_form(request)
    (await page.api.delete(f"{_OWN}/{session_id}")).require()
    return page.go_to("/sessions?done=ended")


@router.post("/sessions/{session_id}/end-any", dependencies=[needs(Scope.ADMIN)])
async def end_any_session(page: Page, request: Request, session_id: SessionId) -> Response:
    """End a session of anybody."""
    await read_form(request)
    (await page.api.delete(f"{_ALL}/{session_id}")).require()
    return page.go_to("/sessions?whose=all&done=ended")
