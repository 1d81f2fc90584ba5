"""Limits of the files that are read: a small file may unpack to more than the machine's memory."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import IO
from zipfile import BadZipFile

from kaboom.providers.file.errors import FileRefused
from kaboom.providers.file.folder import SourceFile
from kaboom.providers.file.packed import XLSX, open_member, open_regular, read_workbook

_MIB = 1 << 20
#: A header is at most this long.
_HEADER_BYTES = 64 << 10
#: A file has at most one line for this many bytes of its limit, since even an empty line becomes a row of nulls.
_BYTES_PER_LINE = 32
#: The least memory of a cell.
_BYTES_PER_CELL = 8
#: A text has at most one cell for this many bytes of its limit: an empty one is a comma, and takes 30 bytes of memory.
_BYTES_PER_TEXT_CELL = 4


@dataclass(frozen=True, slots=True)
class FileLimits:
    """The size of the largest file that is read: `max_mb` MiB, unpacked."""

    max_mb: int = 256

    def read_head(self, file: SourceFile) -> tuple[bytes, bool]:
        """Return the first bytes of a CSV, which hold its titles and its header, and whether there are more.

        Raises:
            FileRefused: its first line is too long.
            OSError, EOFError, zlib.error: the file cannot be read.

        """
        with self._open(file, is_head=True) as opened:
            content = opened.read(_HEADER_BYTES + 1)
        is_cut = len(content) > _HEADER_BYTES
        if is_cut and b"\n" not in content:
            raise FileRefused(
                file.path, f"expected a header of at most {_HEADER_BYTES:,} bytes, found a longer line", line=1
            )
        return content, is_cut

    def read_csv(self, file: SourceFile) -> bytearray:
        """Return a CSV, unpacked; a gzip is read to its end, so that a cut or damaged one is found.

        Raises:
            FileRefused: the file is too large, or has too many lines.
            OSError, EOFError, zlib.error: the file cannot be read.

        """
        most, content = self.max_mb * _MIB, bytearray()
        if file.size > most:
            raise self._refuse(file, "it is larger")
        with self._open(file) as opened:
            while block := opened.read(_MIB):
                content += block
                if len(content) > most:
                    raise self._refuse(file, "it is larger")
        if (lines := content.count(b"\n")) > most // _BYTES_PER_LINE:
            raise self._refuse(file, f"it has {lines:,} lines, more than one for each {_BYTES_PER_LINE} bytes of that")
        return content

    def check_table(self, file: SourceFile, rows: int, columns: int) -> None:
        """Raise FileRefused for a Parquet file that is larger than the limit, or would be in memory."""
        if file.size > self.max_mb * _MIB or rows * columns * _BYTES_PER_CELL > self.max_mb * _MIB:
            raise self._refuse(file, f"it has {rows:,} rows of {columns} columns")

    def check_cells(self, file: SourceFile, rows: int, columns: int) -> None:
        """Raise FileRefused for a CSV with so many cells that are read that they would take too much memory."""
        if rows * columns * _BYTES_PER_TEXT_CELL > self.max_mb * _MIB:
            raise self._refuse(file, f"it has {rows:,} rows of {columns} columns")

    def check_texts(self, file: SourceFile, size: int) -> None:
        """Raise FileRefused for a Parquet file with more bytes of texts than the limit: a repeated one is kept once."""
        if size > self.max_mb * _MIB:
            raise self._refuse(file, f"its texts have {size:,} bytes")

    def _refuse(self, file: SourceFile, why: str) -> FileRefused:
        limit = f"expected at most {self.max_mb} MiB, unpacked (KABOOM_FILE_MAX_MB)"
        return FileRefused(file.path, f"{limit}, and {why}; split the file or set a higher limit")

    @contextmanager
    def _open(self, file: SourceFile, *, is_head: bool = False) -> Iterator[IO[bytes]]:
        """Open the text of a file; with `is_head`, at least its first lines."""
        if file.suffix == XLSX:
            yield BytesIO(read_workbook(file.path, self.max_mb, is_head=is_head))
            return
        member = file.member and open_member(file.path, file.modified_ns, file.member)
        with member or open_regular(file.path) as raw:
            if file.suffix != ".gz":
                yield raw
                return
            with gzip.GzipFile(fileobj=raw) as packed:
                yield packed  # type: ignore[misc]  # it reads as one


#: The exceptions of reading a file that is damaged or was removed.
DAMAGED = (OSError, EOFError, zlib.error, BadZipFile, RuntimeError)
