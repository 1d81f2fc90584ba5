"""Renders pages. Jinja2 is loaded with the first page, so the API starts without it."""

import asyncio
import gzip
import secrets
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any

from fastapi import Response

from kaboom.dashboard.static_files import StaticFiles
from kaboom.dashboard.viewer import Viewer
from kaboom.drivers.lazy import Lazy

if TYPE_CHECKING:
    from jinja2 import Environment


#: The pages need no inline script, no inline style and no other host.
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
#: The gzip level: 7 to 9 take longer and save little.
_LEVEL = 6
_HEADERS = {
    "Content-Security-Policy": CSP,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cache-Control": "private, no-store",
    "Vary": "Cookie, Accept-Language, Accept-Encoding",
}
#: The highest age of a part.
_KEPT_S = 1.0


class Pages:
    """Renders the templates of the dashboard."""

    def __init__(self, static: StaticFiles, *, release: str) -> None:
        """Link static files by their hash; show the release in the footer."""
        self.static = static
        self.shared = SharedParts()
        self._release = release
        self._environment: Lazy[Environment] = Lazy(self._load)

    async def render(self, template: str, viewer: Viewer, values: Mapping[str, Any]) -> str:
        """Return a template as text."""
        environment = await self._environment.get()
        given = {"viewer": viewer, "lang": viewer.language, "now": viewer.now, "layout": "base.html", **values}
        return environment.get_template(template).render(given)

    def answer(self, text: str, *, status_code: int = 200, is_packed: bool = False) -> Response:
        """Return HTML with the headers of a page, compressed if `is_packed`."""
        headers = _HEADERS | ({"Content-Encoding": "gzip"} if is_packed else {})
        content = gzip.compress(text.encode(), _LEVEL, mtime=0) if is_packed else text.encode()
        return Response(content, status_code, headers=headers, media_type="text/html")

    def _load(self) -> "Environment":
        from kaboom.dashboard.environment import build_environment  # noqa: PLC0415  loads Jinja2

        return build_environment(static=self.static.link, release=self._release)


class SharedParts:
    """A cache of the parts that live pages reload."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[float, asyncio.Future[Response]]] = {}
        #: A placeholder in a shared part for the CSRF token, which differs for each viewer; it is random and secret.
        self.csrf_mark = secrets.token_hex(16)

    async def ask(self, key: Hashable, make: Callable[[], Awaitable[Response]]) -> Response:
        """Return the part of a key; render it again if it is older than a second. Concurrent calls share it."""
        now = time.monotonic()
        begun_at, made = self._kept.get(key, (0.0, None))
        if made is None or (made.done() and now - begun_at >= _KEPT_S):
            made = asyncio.ensure_future(make())
            self._kept[key] = now, made
            self._kept = {
                each: kept for each, kept in self._kept.items() if now - kept[0] < _KEPT_S or not kept[1].done()
            }
        # A viewer who leaves must not cancel the rendering for the others.
        return await asyncio.shield(made)
