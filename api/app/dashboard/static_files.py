"""Static files; their path has a hash of all files, so that browsers can cache them without a limit."""

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import Response, status

from app.auth.guard import STATIC_PREFIX
from app.server.negotiate import accepts_gzip, has_tag

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_FOR_EVER = "public, max-age=31536000, immutable"
#: For a path with the hash of another release, which old pages have during a rollout.
_NOW = "public, max-age=0, must-revalidate"
_SHORT = 1000


@dataclass(frozen=True)
class _File:
    content: bytes
    media_type: str

    @cached_property
    def etag(self) -> str:
        return hashlib.sha256(self.content).hexdigest()[:32]

    @cached_property
    def packed(self) -> bytes:
        return gzip.compress(self.content, mtime=0)


class StaticFiles:
    """The static files of the package, read at the first request."""

    def __init__(self) -> None:
        self._root = files("app.dashboard") / "static"

    @cached_property
    def _files(self) -> dict[str, _File]:
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

    def answer(self, tree: str, name: str, *, accepted: str = "", known: str = "") -> Response | None:
        """Return a file, or 304 if the caller has it already; None if there is no such file."""
        file = self._files.get(name)
        if file is None:
            return None
        is_packed = len(file.content) > _SHORT and accepts_gzip(accepted)
        etag = f'"{file.etag}{"-gzip" if is_packed else ""}"'
        headers = {
            "Cache-Control": _FOR_EVER if tree == self.tree else _NOW,
            "ETag": etag,
            "Vary": "Accept-Encoding",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if has_tag(known, etag):
            return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
        if is_packed:
            headers["Content-Encoding"] = "gzip"
        return Response(file.packed if is_packed else file.content, headers=headers, media_type=file.media_type)


def _read(folder: Traversable, prefix: str) -> Iterator[tuple[str, _File]]:
    for each in folder.iterdir():
        name = prefix + each.name
        if each.is_dir():
            yield from _read(each, f"{name}/")
        elif media_type := _TYPES.get(f".{each.name.rpartition('.')[2]}"):
            yield name, _File(each.read_bytes(), media_type)
