"""Renders pages, and serves their static files. Jinja2 is loaded with the first page, so the API starts without it."""

import asyncio
import gzip
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

from fastapi import Response

from kaboom.dashboard.viewer import Viewer
from kaboom.drivers.lazy import Lazy
from kaboom.web.auth.guard import STATIC_PREFIX
from kaboom.web.server.negotiate import FixedContent

if TYPE_CHECKING:
    from jinja2 import Environment


_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_FOR_EVER = "public, max-age=31536000, immutable"
#: For a path with the hash of another release, which old pages have during a rollout.
_NOW = "public, max-age=0, must-revalidate"


class StaticFiles:
    """The static files of the package, read at the first request."""

    def __init__(self) -> None:
        self._root = files("kaboom.dashboard") / "static"

    @cached_property
    def _files(self) -> dict[str, FixedContent]:
        return dict(_read(self._root, ""))

    @cached_property
    def tree(self) -> str:
        """A hash of all files: modules import each other by relative paths, which stay under the same hash."""
        digest = hashlib.sha256()
        for name, file in sorted(self._files.items()):
            digest.update(f"{name} {file.etag}\n".encode())
        return digest.hexdigest()[:16]

    def link(self, name: str) -> str:
        """Return the path of a file.

        Raises:
            KeyError: there is no such file.

        """
        return f"{STATIC_PREFIX}{self.tree}/{name}" if self._files[name] else ""

    def answer(self, tree: str, name: str, asked: Mapping[str, str]) -> Response | None:
        """Return a file, or 304 if the caller has it already; None if there is no such file."""
        file = self._files.get(name)
        if file is None:
            return None
        headers = {
            "Cache-Control": _FOR_EVER if tree == self.tree else _NOW,
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        return file.answer(asked, headers)


def _read(folder: Traversable, prefix: str) -> Iterator[tuple[str, FixedContent]]:
    for each in folder.iterdir():
        name = prefix + each.name
        if each.is_dir():
            yield from _read(each, f"{name}/")
        elif media_type := _TYPES.get(f".{each.name.rpartition('.')[2]}"):
            yield name, FixedContent(each.read_bytes(), media_type)


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


#: Those of the overview, of the map and of a symbol, with what they extend and import.
_FIRST_TEMPLATES = (
    "base.html", "parts/marks.html", "parts/forms.html", "overview.html", "data.html", "symbol.html", "login.html",
)  # fmt: skip


class Pages:
    """Renders the templates of the dashboard."""

    def __init__(self, static: StaticFiles, *, release: str) -> None:
        """Link static files by their hash; show the release in the footer."""
        self.static = static
        self.shared = SharedParts()
        self._release = release
        self._environment: Lazy[Environment] = Lazy(self._load)

    async def warm_up(self) -> None:
        """Compile the templates of the pages that are opened first, so that nobody waits for that."""
        environment = await self._environment.get()
        for name in _FIRST_TEMPLATES:
            await asyncio.to_thread(environment.get_template, name)

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
