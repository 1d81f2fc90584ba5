"""Limits of the files that are read: a small file may unpack to more than the machine's memory."""

import gzip
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from batch.providers.file.errors import FileRefused

_MIB = 1 << 20
#: A header is at most this long.
_HEADER_BYTES = 64 << 10
#: A file has at most one line for this many bytes of its limit, since even an empty line becomes a row of nulls.
_BYTES_PER_LINE = 32
#: The least memory of a cell.
_BYTES_PER_CELL = 8


@dataclass(frozen=True, slots=True)
class FileLimits:
    """The size of the largest file that is read: `max_mb` MiB, unpacked."""

    max_mb: int = 256

    def read_head(self, path: Path) -> tuple[bytes, bool]:
        """Return the first bytes of a CSV, which hold its titles and its header, and whether there are more.

        Raises:
            FileRefused: its first line is too long.
            OSError, EOFError, zlib.error: the file cannot be read.

        """
        with _open(path) as file:
            content = file.read(_HEADER_BYTES + 1)
        is_cut = len(content) > _HEADER_BYTES
        if is_cut and b"\n" not in content:
            raise FileRefused(
                path, f"expected a header of at most {_HEADER_BYTES:,} bytes, found a longer line", line=1
            )
        return content, is_cut

    def read_csv(self, path: Path) -> bytearray:
        """Return a CSV, unpacked; a gzip is read to its end, so that a cut or damaged one is found.

        Raises:
            FileRefused: the file is too large, or has too many lines.
            OSError, EOFError, zlib.error: the file cannot be read.

        """
        most, content = self.max_mb * _MIB, bytearray()
        with _open(path) as file:
            while block := file.read(_MIB):
                content += block
                if len(content) > most:
                    raise self._refuse(path, "it is larger")
        if (lines := content.count(b"\n")) > most // _BYTES_PER_LINE:
            raise self._refuse(path, f"it has {lines:,} lines, more than one for each {_BYTES_PER_LINE} bytes of that")
        return content

    def check_table(self, path: Path, rows: int, columns: int) -> None:
        """Raise FileRefused for a Parquet file that is larger than the limit, or would be in memory."""
        if path.stat().st_size > self.max_mb * _MIB or rows * columns * _BYTES_PER_CELL > self.max_mb * _MIB:
            raise self._refuse(path, f"it has {rows:,} rows of {columns} columns")

    def _refuse(self, path: Path, why: str) -> FileRefused:
        limit = f"expected at most {self.max_mb} MiB, unpacked (KABOOM_FILE_MAX_MB)"
        return FileRefused(path, f"{limit}, and {why}; split the file or set a higher limit")


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    # Not blocking: since the listing, a pipe without a writer may have replaced the file.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as raw:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise FileRefused(path, "expected a regular file, found a pipe, a device or a folder")
        if path.suffix.lower() != ".gz":
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as packed:
            yield packed  # type: ignore[misc]  # it reads as one


#: The exceptions of reading a file that is damaged or was removed.
DAMAGED = (OSError, EOFError, zlib.error)
