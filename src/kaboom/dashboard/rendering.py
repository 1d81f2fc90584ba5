"""Renders pages. Jinja2 is loaded with the first page, so the API starts without it."""

import gzip
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastapi import Response

from kaboom.dashboard.shared_parts import SharedParts
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
