"""Excel workbooks as CSV text, so that they are recognised and refused as CSV files are."""

import csv
import io
from pathlib import Path
from typing import Any

from kaboom.drivers.child_process.workbook import (
    NotAWorkbook,
    NotOneSheet,
    WorkbookLimits,
    WorkbookTooLarge,
    read_rows,
)
from kaboom.providers.file.errors import FileRefused

#: The ending of a workbook.
XLSX = ".xlsx"
#: The most rows that Excel writes, and columns for all symbols of an exchange.
_MOST_ROWS, _MOST_COLUMNS = 1_048_576, 5_000
#: A header is searched for in fewer rows than these.
_HEAD_ROWS = 64


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
