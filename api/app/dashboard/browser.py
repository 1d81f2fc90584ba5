"""What a browser sees where the API answers a problem: the log-in, or a page that says what is wrong."""

from typing import Any
from urllib.parse import quote

import orjson
from fastapi import Request
from fastapi.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.dashboard.rendering import Pages
from app.dashboard.viewer import viewer_of

LOGIN = "/login"
_PROBLEM = b"application/problem+json"
#: Headers of the problem that would be wrong for the page.
_REPLACED = frozenset({
    b"cache-control", b"content-length", b"content-security-policy", b"content-type", b"vary", b"www-authenticate",
})  # fmt: skip


class BrowserAnswers:
    """ASGI middleware: a browser that opens a page and has no session goes to the log-in; other problems are pages.

    What asks for no HTML gets the problem as it is. htmx, which asks for a part of a page, is told to open the log-in.
    """

    def __init__(self, app: ASGIApp, pages: Pages) -> None:
        self._app, self._pages = app, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and replace the problem that it is answered with."""
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
    """Keeps a problem back, and passes any other answer on."""

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
    """Return the log-in, which leads back to the page; a form cannot be sent again."""
    if request.method not in {"GET", "HEAD"} or request.url.path == "/":
        return LOGIN
    url = request.url
    return f"{LOGIN}?next={quote(url.path + (f'?{url.query}' if url.query else ''), safe='/')}"
