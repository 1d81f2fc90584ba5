"""The dashboard's routes: its pages, static files, preferences, and problems as pages for browsers."""

from typing import Any, cast
from urllib.parse import quote

import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kaboom.accounts import page as accounts
from kaboom.analysis import page as analyses
from kaboom.backtest.page import forms as backtest_forms
from kaboom.backtest.page import reports
from kaboom.dashboard import new_job
from kaboom.dashboard.api_client import ProblemAnswered
from kaboom.dashboard.live import LiveRows
from kaboom.dashboard.page_request import FailedJobs, NextPath, Page, open_page, pages_of
from kaboom.dashboard.renderer import Pages, StaticFiles
from kaboom.dashboard.series import HeldSeries
from kaboom.dashboard.unknown import UnknownName, show_unknown
from kaboom.dashboard.viewer import CHOICES, KEPT_S, cookie_of, is_own_path, viewer_of
from kaboom.errors import NotFound
from kaboom.jobs.deps import needs
from kaboom.jobs.page import failures, history, job, jobs
from kaboom.jobs.page import forms as job_forms
from kaboom.market_data.page import data, symbol
from kaboom.notify import page as notifications
from kaboom.operations import page as operations
from kaboom.paper import page as paper
from kaboom.pipelines import page as pipelines
from kaboom.portfolio import page as portfolios
from kaboom.schedules import page as schedules
from kaboom.screens import page as screens
from kaboom.web.auth.guard import STATIC_PREFIX
from kaboom.web.services import services_of
from kaboom.webhooks import page as webhooks

router = APIRouter(include_in_schema=False)
#: The modules of all pages. `/backtests/new` comes before the page of one backtest, whose path would match it, too.
_PAGES = (
    accounts, operations, jobs, new_job, history, job, failures, job_forms, data, symbol, portfolios, paper,
    backtest_forms, reports, analyses, schedules, pipelines, screens, webhooks, notifications,
)  # fmt: skip
LOGIN = "/login"
_PROBLEM = b"application/problem+json"
#: Headers of the problem that would be wrong for the page.
_REPLACED = frozenset({
    b"cache-control", b"content-length", b"content-security-policy", b"content-type", b"vary", b"www-authenticate",
})  # fmt: skip


def install_dashboard(app: FastAPI, *, release: str | None) -> None:
    """Add the dashboard to the API; call it after `Gate` was added, so that errors of `Gate` become pages, too."""
    pages = Pages(StaticFiles(), release=release or app.version)
    services_of(app).add(pages, LiveRows(), HeldSeries(), FailedJobs())
    app.add_middleware(BrowserAnswers, pages=pages)
    app.add_exception_handler(ProblemAnswered, _show_problem)
    app.add_exception_handler(UnknownName, show_unknown)
    app.include_router(router)
    for page in _PAGES:
        app.include_router(page.router, include_in_schema=False)


async def _show_problem(request: Request, error: Exception) -> Response:
    page = await open_page(request)
    return await page.show_problem(cast("ProblemAnswered", error).reply)


@router.get(STATIC_PREFIX + "{tree}/{name:path}")
async def static_file(request: Request, tree: str, name: str) -> Response:
    """Return a static file; under the hash of the current tree it never changes."""
    found = pages_of(request).static.answer(tree, name, request.headers)
    if found is None:
        raise NotFound("there is no such static file")
    return found


@router.get("/favicon.ico")
async def favicon(request: Request) -> Response:
    """Return the icon that browsers request by default."""
    return await static_file(request, "", "icon.svg")


@router.get("/prefer")
async def prefer(request: Request, to: NextPath = "/") -> Response:
    """Save a preference of the viewer in a cookie: language, theme or price colours; it gives no access."""
    response = RedirectResponse(to if is_own_path(to) else "/", status_code=303)
    for name, choices in CHOICES.items():
        value = request.query_params.get(name, "")
        if value in choices:
            is_secure = request.url.scheme == "https"
            response.set_cookie(cookie_of(name), value, max_age=KEPT_S, secure=is_secure, samesite="lax")
    return response


@router.get("/docs", dependencies=[needs()])
async def show_docs(page: Page) -> Response:
    """Show every operation; the viewer can try it with their own rights."""
    return await page.show("docs.html")


@router.get("/more", dependencies=[needs()])
async def show_more(page: Page) -> Response:
    """Show every page, and the preferences of the viewer."""
    return await page.show("more.html", choices=CHOICES)


class BrowserAnswers:
    """ASGI middleware: a browser without a session is sent to the log-in page; other problems are shown as pages.

    A form that was refused is shown at its own address; if no page has that address, it leads to the nearest one.

    A client that does not accept HTML gets the problem unchanged. A request of htmx for a part of a page gets a header
    that makes htmx open the log-in page.
    """

    def __init__(self, app: ASGIApp, pages: Pages) -> None:
        self._app, self._pages = app, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; replace the answer if it is a problem."""
        if scope["type"] != "http" or scope["path"].startswith("/api/"):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if b"hx-request" in headers:
            await self._app(scope, receive, _send_to_login(send))
        elif b"text/html" in headers.get(b"accept", b""):
            held = _Held(send)
            await self._app(scope, receive, held.send)
            if held.start:
                await self._show(held, Request(scope, receive), send)
        else:
            await self._app(scope, receive, send)

    async def _show(self, held: "_Held", request: Request, send: Send) -> None:
        status, problem = held.start["status"], orjson.loads(held.body)
        kept = [each for each in held.start["headers"] if each[0].lower() not in _REPLACED]
        if status == 401:
            response: Any = RedirectResponse(_login_path(request), status_code=303)
        elif status == 405 and request.method in {"GET", "HEAD"}:
            response = RedirectResponse(_page_above(request), status_code=303)
        else:
            values = {"here": request.url.path, "problem": problem}
            text = await self._pages.render("problem.html", viewer_of(request), values)
            response = self._pages.answer(text, status_code=status)
        response.raw_headers.extend(kept)
        await response(request.scope, request.receive, send)


class _Held:
    """Holds a problem back, and passes on any other answer."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.start: Message = {}
        self.body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_problem(message):
            self.start = message
        elif self.start:
            self.body += message.get("body", b"")
        else:
            await self._send(message)


def _is_problem(start: Message) -> bool:
    return any(name.lower() == b"content-type" and value.startswith(_PROBLEM) for name, value in start["headers"])


def _send_to_login(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 401:
            message["headers"] = [*message["headers"], (b"hx-redirect", LOGIN.encode())]
        await send(message)

    return sending


def _page_above(request: Request) -> str:
    """Return the nearest page above a path that takes only forms: someone opened the address of a form again."""
    parts = request.url.path.split("/")
    for n in range(len(parts) - 1, 1, -1):
        path = "/".join(parts[:n])
        scope = {**request.scope, "path": path, "method": "GET"}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes):
            return path
    return "/"


def _login_path(request: Request) -> str:
    """Return the path of the log-in page, with the page to return to; not after a form, which cannot be sent again."""
    if request.method not in {"GET", "HEAD"} or request.url.path == "/":
        return LOGIN
    url = request.url
    return f"{LOGIN}?next={quote(url.path + (f'?{url.query}' if url.query else ''), safe='/')}"
