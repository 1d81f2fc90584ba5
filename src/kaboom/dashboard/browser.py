"""Turn problems of the API into pages for browsers: the log-in page, or a page that shows the problem."""

from typing import Any
from urllib.parse import quote

import orjson
from fastapi import Request
from fastapi.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kaboom.dashboard.renderer import Pages
from kaboom.dashboard.viewer import viewer_of

LOGIN = "/login"
_PROBLEM = b"application/problem+json"
#: Headers of the problem that would be wrong for the page.
_REPLACED = frozenset({
    b"cache-control", b"content-length", b"content-security-policy", b"content-type", b"vary", b"www-authenticate",
})  # fmt: skip


class BrowserAnswers:
    """ASGI middleware: a browser without a session is sent to the log-in page; other problems are shown as pages.

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


def _login_path(request: Request) -> str:
    """Return the path of the log-in page, with the page to return to; not after a form, which cannot be sent again."""
    if request.method not in {"GET", "HEAD"} or request.url.path == "/":
        return LOGIN
    url = request.url
    return f"{LOGIN}?next={quote(url.path + (f'?{url.query}' if url.query else ''), safe='/')}"
