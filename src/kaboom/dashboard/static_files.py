"""Static files; their path has a hash of all files, so that browsers can cache them without a limit."""

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import Response

from kaboom.web.auth.guard import STATIC_PREFIX
from kaboom.web.server.negotiate import FixedContent

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
