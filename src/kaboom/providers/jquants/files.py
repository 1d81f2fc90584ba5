"""J-Quants' bulk files: parsing their list, and choosing the files that hold some sessions; pure."""

import calendar
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from kaboom.errors import ProviderError

#: A file takes two requests, for its address and for its content; the transfer counts as one more for each 2 MB.
_QUESTIONS, _BYTES_PER_QUESTION = 2, 2 << 20

type Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class BulkFile:
    """A file that can be fetched: the rows of one path, of a month or of a day.

    Attributes:
        key: its name at J-Quants.
        modified: when it was written, as J-Quants' text; a correction replaces a file under the same key.
        size: its bytes, compressed.
        first: the first day that it may hold, and `last` the last one.

    """

    key: str
    modified: str
    size: int
    first: date
    last: date

    @property
    def title(self) -> str:
        """Its name without folders, for messages."""
        return self.key.rpartition("/")[2]

    @property
    def local_name(self) -> str:
        """Its name on the local disk, which changes with each correction."""
        told = f"{self.key}\n{self.modified}\n{self.size}".encode()
        return f"{hashlib.sha256(told).hexdigest()[:32]}.csv.gz"

    @property
    def cost(self) -> int:
        """The cost of fetching it, in requests."""
        return _QUESTIONS + self.size // _BYTES_PER_QUESTION


def parse_files(rows: Rows, path: str) -> tuple[BulkFile, ...]:
    """Return the files of a path in a list of them; those of other paths are left out.

    Raises:
        ProviderError: a field is missing or of another type, or no name is of the form known.

    """
    for row in rows:
        if missing := {"Key", "LastModified", "Size"} - row.keys():
            raise ProviderError(f"jquants: the list of bulk files lacked {sorted(missing)}, it had {sorted(row)[:9]}")
    found = [file for row in rows if (file := _parse_file(row, path)) is not None]
    if rows and not found:
        raise ProviderError(
            f"jquants: bulk files were named such as {str(rows[0]['Key'])[-60:]!r},"
            f" expected {_stem(path)}_YYYYMM.csv.gz or …_YYYYMMDD.csv.gz"
        )
    return tuple(found)


def pick_files(files: Sequence[BulkFile], sessions: Sequence[date]) -> Mapping[BulkFile, tuple[date, ...]]:
    """Return the files that together hold some sessions (oldest first), each with the sessions to read from it.

    A past month is one file; the current month has a file for each day. If both exist, a single session is read from
    the file of its day, and several sessions from the file of their month.

    Raises:
        ProviderError: no file holds a session.

    """
    newest: dict[tuple[date, date], BulkFile] = {}
    for file in sorted(files, key=lambda file: file.modified):
        newest[file.first, file.last] = file
    picked: dict[BulkFile, tuple[date, ...]] = {}
    for session in sessions:
        month = newest.get(_month_of(session))
        day = newest.get((session, session))
        is_alone = sum(_month_of(other) == _month_of(session) for other in sessions) == 1
        chosen = (day or month) if is_alone else (month or day)
        if chosen is None:
            raise ProviderError(
                f"jquants: no bulk file holds {session}; a day's comes after its session,"
                " and how far back they go depends on the plan",
                retryable=True,
            )
        picked[chosen] = (*picked.get(chosen, ()), session)
    return picked


def _parse_file(row: Mapping[str, Any], path: str) -> BulkFile | None:
    key, modified, size = row["Key"], row["LastModified"], row["Size"]
    is_size = isinstance(size, int | float) and not isinstance(size, bool) and size >= 0 and size == int(size)
    if not isinstance(key, str) or not isinstance(modified, str) or not is_size:
        raise ProviderError("jquants: the list of bulk files had a value of another type than documented")
    found = re.fullmatch(rf"(?:.*/)?{_stem(path)}_(\d{{4}})(\d\d)(\d\d)?\.csv\.gz", key)
    if found is None:
        return None
    year, month, day = (int(text) if text else None for text in found.groups())
    try:
        first = date(year or 0, month or 0, day or 1)
    except ValueError:
        return None
    return BulkFile(key, modified, int(size), *((first, first) if day else _month_of(first)))


def _month_of(day: date) -> tuple[date, date]:
    return day.replace(day=1), day.replace(day=calendar.monthrange(day.year, day.month)[1])


def _stem(path: str) -> str:
    return path.strip("/").replace("/", "_")
