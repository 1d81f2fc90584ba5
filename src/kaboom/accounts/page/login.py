"""The log-in: a form that works without JavaScript."""

from fastapi import APIRouter, Request, Response

from kaboom.accounts.browser_login import confirm, sign_in, sign_out
from kaboom.dashboard.page_request import NextPath, Page
from kaboom.dashboard.viewer import first_of, is_own_path, read_form
from kaboom.jobs.deps import needs

router = APIRouter()


@router.get("/login")
async def show_login(page: Page, to: NextPath = "/") -> Response:
    """Show the form."""
    return await page.show("login.html", to=to if is_own_path(to) else "/", refusal="", is_by_token=False)


@router.post("/login")
async def log_in(page: Page, request: Request) -> Response:
    """Open a session, and redirect to the page that the browser asked for."""
    fields = {name: values[-1] for name, values in (await read_form(request)).items()}
    to = fields.get("next", "/")
    response = page.go_to(to if is_own_path(to) else "/")
    refusal = await sign_in(request, fields, response)
    if not refusal:
        return response
    by_token = bool(fields.get("token"))
    return await page.show("login.html", 403, to=to if is_own_path(to) else "/", refusal=refusal, is_by_token=by_token)


@router.post("/confirm", dependencies=[needs()])
async def confirm_session(page: Page, request: Request) -> Response:
    """Take the password or the token of the session again, and return to the page that asked for it."""
    fields = {name: values[-1] for name, values in (await read_form(request)).items()}
    to = fields.get("next", "/")
    if refusal := await confirm(request, fields):
        return await page.show("confirm.html", 403, refusal=refusal, back=to if is_own_path(to) else "/")
    return page.go_to(to if is_own_path(to) else "/")


@router.post("/logout", dependencies=[needs()])
async def log_out(page: Page, request: Request) -> Response:
    """End the session of the browser, or all sessions and JWTs of its user, and show the log-in."""
    if first_of(await read_form(request), "everywhere"):
        (await page.api.delete("/api/v1/session", everywhere="true")).require()
    response = page.go_to("/login")
    await sign_out(request, response)
    return response
