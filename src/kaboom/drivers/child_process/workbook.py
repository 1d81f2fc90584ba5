"""The rows of an Excel workbook, read in a separate process: a small file may need more memory than the machine has.

The reader (calamine) aborts its process when memory is short, so this module is also the program of that process.
"""

import json
import subprocess
import sys
import zipfile
from dataclasses import astuple, dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from kaboom.drivers.child_process.command import build_command, build_environment, limit_process
from kaboom.drivers.zip_directory import open_zip

#: The exit codes of the process.
_TOO_LARGE, _NO_WORKBOOK, _NOT_ONE_SHEET = 3, 4, 5


@dataclass(frozen=True, slots=True)
class WorkbookLimits:
    """The largest workbook that is read: rows and columns of a sheet, bytes unpacked, and memory and time for it."""

    rows: int
    columns: int
    unpacked_bytes: int
    memory_bytes: int = 1 << 30
    seconds: int = 60


class WorkbookTooLarge(Exception):
    """A workbook is larger than its limits, or needs more memory or time; the message is its size if that was known."""


class NotAWorkbook(Exception):
    """A file is damaged or no workbook; the message is the reader's."""


class NotOneSheet(Exception):
    """A workbook has cells in several sheets, or in none; the message names them."""


def read_rows(
    file: Path, limits: WorkbookLimits, *, most_rows: int | None = None, is_only: bool = False
) -> list[list[Any]]:
    """Return the first rows of a workbook's first sheet, or all: texts, numbers, truths, and days and times in ISO.

    With `is_only`, the sheet is the one that has cells. Row 1 of the sheet is the first row here, and rows are equally
    long. A time of midnight is a day.

    Raises:
        NotAWorkbook: the file is damaged or no workbook.
        WorkbookTooLarge: the workbook is larger than `limits`.
        NotOneSheet: several sheets have cells, or none has.

    """
    if zipfile.is_zipfile(file):
        _check_parts(file, limits)
    arguments = [str(each) for each in (*astuple(limits), most_rows or 0, int(is_only))]
    command = build_command(__name__, str(file.absolute()), *arguments)
    environment = build_environment()
    timeout = 2 * limits.seconds
    try:
        done = subprocess.run(command, capture_output=True, env=environment, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as e:
        raise WorkbookTooLarge from e
    why = done.stderr.decode(errors="replace").strip()[:200]
    if done.returncode == _NO_WORKBOOK:
        raise NotAWorkbook(why)
    if done.returncode == _NOT_ONE_SHEET:
        raise NotOneSheet(why)
    if done.returncode:
        raise WorkbookTooLarge
    return [json.loads(line) for line in done.stdout.splitlines()]


def _check_parts(file: Path, limits: WorkbookLimits) -> None:
    try:
        with file.open("rb") as raw, open_zip(raw) as parts:
            unpacked = sum(part.file_size for part in parts.infolist())
    except (zipfile.BadZipFile, OSError, ValueError) as e:
        raise NotAWorkbook("a damaged zip") from e
    if unpacked > limits.unpacked_bytes:
        raise WorkbookTooLarge(f"{unpacked:,}")


def _main(path: str, limits: WorkbookLimits, most_rows: int, *, is_only: bool) -> int:
    # Limits are set before the reader is loaded.
    limit_process(memory_bytes=limits.memory_bytes, cpu_s=limits.seconds)
    import python_calamine  # noqa: PLC0415  only here

    try:
        sheets = _list_sheets(python_calamine.CalamineWorkbook.from_path(path), limits, is_only=is_only)
        if sheets is None:
            return _TOO_LARGE
        if len(sheets) != 1:
            sys.stderr.write(", ".join(sheet.name for sheet in sheets))
            return _NOT_ONE_SHEET
        left = limits.unpacked_bytes
        for number, row in enumerate(sheets[0].iter_rows()):
            if most_rows and number >= most_rows:
                break
            line = json.dumps([_plain(cell) for cell in row]) + "\n"
            left -= len(line)
            if left < 0:
                return _TOO_LARGE
            sys.stdout.write(line)
    except MemoryError:
        return _TOO_LARGE
    except Exception as e:  # noqa: BLE001  any error of the reader is a fault of the file
        sys.stderr.write(str(e).partition("\n")[0])
        return _NO_WORKBOOK
    return 0


def _list_sheets(book: Any, limits: WorkbookLimits, *, is_only: bool) -> list[Any] | None:
    """Return the first sheet, or all that have cells; None if one is too large."""
    sheets = [book.get_sheet_by_index(number) for number in range(len(book.sheet_names) if is_only else 1)]
    ends = [(sheet.end[0] + 1, sheet.end[1] + 1) if sheet.end else (0, 0) for sheet in sheets]
    if any(rows > limits.rows or columns > limits.columns for rows, columns in ends):
        return None
    return [sheet for sheet, (rows, _) in zip(sheets, ends, strict=True) if rows or not is_only]


def _plain(cell: Any) -> Any:
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else str(cell)
    if isinstance(cell, date):
        return cell.isoformat()
    return cell if isinstance(cell, str | float | int) else str(cell)


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[2:]]
    sys.exit(_main(sys.argv[1], WorkbookLimits(*given[:5]), given[5], is_only=bool(given[6])))
