"""The rows of JPX's own list, an Excel workbook."""

from itertools import dropwhile
from pathlib import Path
from typing import Any

from kaboom.drivers.child_process.workbook import NotAWorkbook, WorkbookLimits, WorkbookTooLarge, read_rows
from kaboom.errors import InvalidRequest

#: JPX's list has 4,400 rows of 10 columns, and 4 MB unpacked.
MOST_ROWS, MOST_COLUMNS = 50_000, 100
_LIMITS = WorkbookLimits(MOST_ROWS, MOST_COLUMNS, unpacked_bytes=200_000_000)


def read_workbook(file: Path) -> list[list[Any]]:
    """Return the rows of a workbook's first sheet: texts, numbers, and dates as `YYYY-MM-DD`.

    Raises:
        InvalidRequest: the file is not a workbook, or is too large for a list of issues.

    """
    try:
        rows = read_rows(file, _LIMITS)
    except NotAWorkbook as e:
        raise InvalidRequest(f"{file.name} is not a workbook ({e}), expected .xls, .xlsx or .csv") from e
    except WorkbookTooLarge as e:
        if str(e):
            most = f"{_LIMITS.unpacked_bytes:,}"
            raise InvalidRequest(f"{file.name} has {e} bytes unpacked, expected at most {most}") from e
        raise InvalidRequest(
            f"{file.name} could not be read with {_LIMITS.memory_bytes >> 20:,} MiB of memory in {_LIMITS.seconds} s,"
            f" or has more than {MOST_ROWS:,} rows of {MOST_COLUMNS} columns: expected JPX's list of issues"
            " (data_j.xls)"
        ) from e
    return list(dropwhile(lambda row: not any(cell != "" for cell in row), rows))
