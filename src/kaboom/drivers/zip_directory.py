"""Zip files with a directory of a bounded size: `zipfile` reads one of any size to memory, before it looks at it."""

from typing import IO, Any, cast
from zipfile import BadZipFile, ZipFile

#: The directory of 20,000 files with long names takes 8 MB.
_MOST_BYTES = 16 << 20


def open_zip(raw: IO[bytes], *, metadata_encoding: str | None = None) -> ZipFile:
    """Open a zip file; `raw` stays open when it is closed.

    Raises:
        BadZipFile: it is not a zip file, or its directory is too large.

    """
    return ZipFile(cast("IO[bytes]", _Bounded(raw)), metadata_encoding=metadata_encoding)


class _Bounded:
    """A file that refuses a long read; `zipfile` reads the directory in one call, and members in short ones."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw

    def read(self, size: int = -1) -> bytes:
        if size > _MOST_BYTES:
            raise BadZipFile(f"a directory of more than {_MOST_BYTES:,} bytes")
        return self._raw.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)
