"""Packed files: zip files as folders, and Excel workbooks as CSV; checked before anything is unpacked."""

import csv
import io
import os
import stat
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from kaboom.drivers.child_process.workbook import NotAWorkbook, NotOneSheet, WorkbookLimits, WorkbookTooLarge, read_rows
from kaboom.drivers.zip_directory import open_zip
from kaboom.providers.file.errors import FileRefused, Refusal

#: The ending of an archive.
ZIP = ".zip"
_MOST_MEMBERS = 20_000
#: The longest path of a member: that of a file of Windows, Linux or macOS, with some room.
_MOST_NAME = 1_024
#: An archive unpacks to at most this many times its size; CSVs of bars are packed three to twenty times.
_MOST_RATIO = 200
#: A ratio is judged from this unpacked size on.
_SMALL_BYTES = 1 << 20
#: The encodings of names that have no mark of UTF-8: of macOS, of Windows in Japan, of the format.
_NAME_ENCODINGS = ("utf-8", "cp932", None)
_TEXTS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
_OTHERS = (".parquet", ".xlsx", ZIP)
#: The ending of a workbook.
XLSX = ".xlsx"
#: The most rows that Excel writes, and columns for all symbols of an exchange.
_MOST_ROWS, _MOST_COLUMNS = 1_048_576, 5_000
#: A header is searched for in fewer rows than these.
_HEAD_ROWS = 64


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive, by its name there; `size` is its size unpacked."""

    name: str
    size: int


def list_members(path: Path, name: str) -> tuple[Sequence[Member], Sequence[Refusal]]:
    """Return the texts in an archive, and those members that cannot be read; `name` is its path below the folder."""
    try:
        info = path.stat()
        parts = _archive(path, info.st_mtime_ns, os.getpid()).infolist()
    except FileRefused as e:
        return (), [e.of(name, None)]
    except (BadZipFile, NotImplementedError, ValueError, OSError) as e:
        return (), [Refusal(name, f"expected a readable zip file, found: {str(e)[:200] or type(e).__name__}")]
    if len(parts) > _MOST_MEMBERS:
        return (), [Refusal(name, f"expected at most {_MOST_MEMBERS:,} files in a zip, found {len(parts):,}")]
    unpacked = sum(part.file_size for part in parts)
    if unpacked > max(_SMALL_BYTES, _MOST_RATIO * info.st_size):
        why = f"expected a zip that unpacks to at most {_MOST_RATIO} times its size, found {unpacked:,} bytes"
        return (), [Refusal(name, f"{why} in {info.st_size:,}")]
    members: dict[str, Member] = {}
    refusals: list[Refusal] = []
    for part in parts:
        inner = part.filename.removeprefix("./")
        if _is_left_out(part):
            continue
        if why := _judge(part, is_known=inner in members):
            refusals.append(Refusal(f"{name}/{inner[:200]}", why))
        else:
            members[inner] = Member(part.filename, part.file_size)
    if not members and not refusals:
        refusals.append(Refusal(name, "expected CSV files in the zip, found none"))
    return tuple(members.values()), refusals


@contextmanager
def open_member(path: Path, modified_ns: int, member: str) -> Iterator[IO[bytes]]:
    """Open a member of an archive, which was last changed at this time; its checksum is compared at its end.

    Raises:
        BadZipFile, OSError: the archive is damaged, or was replaced.

    """
    archive = _archive(path, modified_ns, os.getpid())
    try:
        with archive.open(member) as opened:
            yield opened
    except KeyError as e:
        raise BadZipFile(str(e)) from e


def open_regular(path: Path) -> IO[bytes]:
    """Open a file.

    Raises:
        FileRefused: it is a pipe, a device or a folder.

    """
    # Not blocking: since the listing, a pipe without a writer may have replaced the file.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    raise FileRefused(path, "expected a regular file, found a pipe, a device or a folder")


# The directory of an archive of thousands of members is read once for each of its states, not for each member. A forked
# process shares the place in an open file with its parent, hence the process in the key.
@lru_cache(maxsize=4)
def _archive(path: Path, _modified_ns: int, _process: int) -> ZipFile:
    raw = open_regular(path)
    try:
        archive = _read_directory(raw)
    except BaseException:
        raw.close()
        raise
    weakref.finalize(archive, raw.close)
    return archive


def _read_directory(raw: IO[bytes]) -> ZipFile:
    for encoding in _NAME_ENCODINGS[:-1]:
        try:
            return open_zip(raw, metadata_encoding=encoding)
        except UnicodeDecodeError:
            continue
    return open_zip(raw)


def _is_left_out(part: ZipInfo) -> bool:
    """Return whether a member is no file of bars, as in a folder: hidden, a folder, macOS' copies, other endings."""
    parts = part.filename.split("/")
    if part.is_dir() or any(each == "__MACOSX" or (each.startswith(".") and each not in {".", ".."}) for each in parts):
        return True
    return not part.filename.lower().endswith((*_TEXTS, *_OTHERS))


def _judge(part: ZipInfo, *, is_known: bool) -> str:
    """Return why a member is refused, or nothing."""
    name = part.filename
    faults = (
        (len(name) > _MOST_NAME, f"expected a path of at most {_MOST_NAME:,} characters, found {len(name):,}"),
        (_may_escape(name), "expected a path within the zip, found one that may lead out of it"),
        ("\\" in name, "expected / between the folders of a zip, found a backslash: pack it again"),
        (part.flag_bits & 0x1, "expected a zip without a password, found one with a password"),
        (stat.S_ISLNK(part.external_attr >> 16), "expected a file, found a link"),
        (
            part.compress_type not in {ZIP_STORED, ZIP_DEFLATED},
            "expected a zip that is packed by deflate, found another way",
        ),
        (name.lower().endswith(_OTHERS), "expected CSV files in a zip: unpack this one"),
        (is_known, "expected names that differ, found the same name twice"),
    )
    return next((why for is_so, why in faults if is_so), "")


def _may_escape(name: str) -> bool:
    return bool({"", ".."} & set(name.replace("\\", "/").split("/"))) or name[1:2] == ":"


def read_workbook(path: Path, max_mb: int, *, is_head: bool = False) -> bytes:
    """Return the sheet of a workbook that has cells, or its first rows, as CSV; a line is a row of the sheet.

    Raises:
        FileRefused: it is no workbook, is too large, or has cells in several sheets.

    """
    limits = WorkbookLimits(_MOST_ROWS, _MOST_COLUMNS, unpacked_bytes=max_mb << 20)
    try:
        rows = read_rows(path, limits, most_rows=_HEAD_ROWS if is_head else None, is_only=True)
    except NotAWorkbook as e:
        raise FileRefused(path, f"expected a readable xlsx file, found: {e}") from e
    except NotOneSheet as e:
        if not str(e):
            raise FileRefused(path, "expected a header and rows, found an empty file", line=1) from e
        raise FileRefused(path, f"expected cells in one sheet, found them in {e}: save each as a file") from e
    except WorkbookTooLarge as e:
        most = f"expected at most {max_mb} MiB, unpacked (KABOOM_FILE_MAX_MB), {_MOST_COLUMNS:,} columns"
        memory = f"{limits.memory_bytes >> 20:,} MiB of memory"
        raise FileRefused(
            path, f"{most} and {memory} to read them, found more; split the file or save it as CSV"
        ) from e
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([_to_text(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def _to_text(cell: Any) -> str:
    """Return a cell as text in one line; Excel has no whole numbers, so 7203.0 is 7203."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return " ".join(cell.splitlines()) if isinstance(cell, str) else str(cell)
