"""Reading an Excel workbook in a separate process, since a small file may need more memory than the machine has.

The reader (calamine) aborts its process when memory is short, so this module is also the program of that process.
"""

import json
import subprocess
import sys
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

from batch.errors import InvalidRequest
from batch.kit.child_process.command import build_command, build_environment
from batch.kit.child_process.limits import limit_process

#: JPX's list has 4,400 rows of 10 columns, and 4 MB unpacked.
MOST_ROWS, MOST_COLUMNS = 50_000, 100
_MOST_UNPACKED = 200_000_000
_MEMORY_BYTES = 1 << 30
_SECONDS = 60
#: The exit codes of the process.
_TOO_LARGE, _NO_WORKBOOK = 3, 4


def read_workbook(file: Path) -> list[list[Any]]:
    """Return the rows of a workbook's first sheet: texts, numbers, and dates as `YYYY-MM-DD`.

    Raises:
        InvalidRequest: the file is not a workbook, or is too large for a list of issues.

    """
    if zipfile.is_zipfile(file):
        _check_parts(file)
    command = build_command("batch.market.lists.workbook", str(file.absolute()))
    environment = build_environment()
    try:
        done = subprocess.run(command, capture_output=True, env=environment, timeout=2 * _SECONDS, check=False)
    except subprocess.TimeoutExpired as e:
        raise _too_large(file) from e
    if done.returncode == _NO_WORKBOOK:
        why = done.stderr.decode(errors="replace").strip()[:200]
        raise InvalidRequest(f"{file.name} is not a workbook ({why}), expected .xls, .xlsx or .csv")
    if done.returncode:
        raise _too_large(file)
    rows: list[list[Any]] = json.loads(done.stdout)
    return rows


def _check_parts(file: Path) -> None:
    try:
        with zipfile.ZipFile(file) as parts:
            unpacked = sum(part.file_size for part in parts.infolist())
    except (zipfile.BadZipFile, OSError, ValueError) as e:
        raise InvalidRequest(f"{file.name} is not a workbook (a damaged zip), expected .xls, .xlsx or .csv") from e
    if unpacked > _MOST_UNPACKED:
        raise InvalidRequest(f"{file.name} has {unpacked:,} bytes unpacked, expected at most {_MOST_UNPACKED:,}")


def _too_large(file: Path) -> InvalidRequest:
    return InvalidRequest(
        f"{file.name} could not be read with {_MEMORY_BYTES >> 20:,} MiB of memory in {_SECONDS} s, or has more than"
        f" {MOST_ROWS:,} rows of {MOST_COLUMNS} columns: expected JPX's list of issues (data_j.xls)"
    )


def _main(path: str) -> int:
    # Limits are set before the reader is loaded.
    limit_process(memory_bytes=_MEMORY_BYTES, cpu_s=_SECONDS)
    import python_calamine  # noqa: PLC0415  only here

    try:
        sheet = python_calamine.CalamineWorkbook.from_path(path).get_sheet_by_index(0)
        if sheet.total_height > MOST_ROWS or sheet.total_width > MOST_COLUMNS:
            return _TOO_LARGE
        rows = [[_plain(cell) for cell in row] for row in sheet.to_python()]
    except MemoryError:
        return _TOO_LARGE
    except Exception as e:  # noqa: BLE001  any error of the reader is a fault of the file
        sys.stderr.write(str(e).partition("\n")[0])
        return _NO_WORKBOOK
    json.dump(rows, sys.stdout)
    return 0


def _plain(cell: Any) -> Any:
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    return cell if isinstance(cell, str | float | int) else str(cell)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
