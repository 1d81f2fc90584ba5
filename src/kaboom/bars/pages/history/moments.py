"""The moments of a page file: each write that changes a bar gets a number, and the time at which it was committed.

Moments are microseconds since 1970, UTC, and rise with their numbers. Number 0 is the moment from which the history of
the file is whole.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from kaboom.bars.folder.connection import has_table
from kaboom.bars.folder.moments import check_begin, last_change_us, to_us
from kaboom.bars.pages.codec import decode_sound, page_keys
from kaboom.bars.pages.files import PageFile, check_order, page_name
from kaboom.bars.pages.schema import CREATE_HISTORY, SID_BITS
from kaboom.errors import StoreDamaged, StoreError

#: A writer that has not committed this long after its moment gives up, and tries again.
MOST_COMMIT_S = 30.0
#: Moments younger than this may have a writer that has not committed yet.
_RECENT = timedelta(seconds=2 * MOST_COMMIT_S)
_NEWEST = "SELECT no, at FROM moment ORDER BY no DESC LIMIT 1"
_AT_ONCE = 2_000
_ROWS = f"""
SELECT r.page, r.no, coalesce(s.symbol, ''), CAST(r.data AS BLOB) FROM replaced r
LEFT JOIN sym s ON s.id = (r.page & {(1 << SID_BITS) - 1})
WHERE r.data <> x'' AND (r.page, r.no) > (?, ?) ORDER BY r.page, r.no LIMIT {_AT_ONCE}
"""  # noqa: S608 (constants)


class WriteMoment:
    """The moment of one transaction, taken when it first changes a bar, under the write lock of the file."""

    def __init__(self, sql: sqlite3.Connection, now: datetime) -> None:
        self._sql = sql
        self._now_us = to_us(now)
        self._begun_s = time.monotonic()
        self._no: int | None = None

    @property
    def no(self) -> int:
        """The number of the moment; the first call adds it to the file."""
        if self._no is None:
            newest, at = self._sql.execute(_NEWEST).fetchone()
            self._no = int(newest) + 1
            # Later than the one before, even if the clock was set back.
            self._sql.execute("INSERT INTO moment VALUES (?, ?)", (self._no, max(self._now_us, at + 1)))
        return self._no

    def check(self) -> None:
        """Check that the moment is young enough to commit.

        Raises:
            StoreError: retryable; a reader may have taken the state of this moment as final.

        """
        if self._no is not None and time.monotonic() - self._begun_s > MOST_COMMIT_S:
            raise StoreError(f"a write took more than {MOST_COMMIT_S:g} s between its moment and its commit")


def has_history(sql: sqlite3.Connection) -> bool:
    """Return whether a file keeps its history; files of an older Kaboom begin with their next write."""
    return has_table(sql, "moment")


def prepare_history(file: PageFile, sql: sqlite3.Connection) -> None:
    """Give a file of an older Kaboom its history, inside the caller's transaction; it begins with its last change."""
    if not has_history(sql):
        begins = last_change_us(file.path)
        for statement in filter(str.strip, CREATE_HISTORY.split(";")):
            sql.execute(statement)
        sql.execute("ALTER TABLE page ADD COLUMN since INTEGER")
        sql.execute("ALTER TABLE page ADD COLUMN grown BLOB")
        sql.execute("INSERT INTO moment VALUES (0, ?)", (begins,))


@contextmanager
def snapshot_at(file: PageFile, moment: datetime, now: datetime) -> Iterator[int | None]:
    """Hold one state of a file, and give the number of its last moment up to `moment`; None if it keeps no history.

    Waits for a writer that may have begun before a recent moment.

    Raises:
        InvalidRequest: the history of the file begins after `moment`.

    """
    if now - moment < _RECENT:
        file.begin()
        file.sql.execute("ROLLBACK")
    file.sql.execute("BEGIN")
    try:
        yield _find_number(file, to_us(moment))
    finally:
        file.sql.execute("ROLLBACK")


def _find_number(file: PageFile, at: int) -> int | None:
    if not has_history(file.sql):
        check_begin(file.path, last_change_us(file.path), at)
        return None
    (begins,) = file.sql.execute("SELECT at FROM moment WHERE no = 0").fetchone()
    check_begin(file.path, begins, at)
    (number,) = file.sql.execute("SELECT coalesce(max(no), 0) FROM moment WHERE no > 0 AND at <= ?", (at,)).fetchone()
    return int(number)


@dataclass(frozen=True, slots=True)
class DamagedHistory:
    """A row of the history that cannot be read: its page and moment, its place for people, and the fault."""

    page: int
    no: int
    where: str
    data: bytes
    fault: str


def find_damaged_history(file: PageFile) -> list[DamagedHistory]:
    """Return the rows of a file's history that cannot be read; raises sqlite3.Error if the table cannot be."""
    if not has_history(file.sql):
        return []
    found, after = list[DamagedHistory](), (-(2**63), 0)
    while rows := file.sql.execute(_ROWS, after).fetchall():
        check_order(file.path, after, [row[:2] for row in rows])
        after = rows[-1][:2]
        name_of = partial(_name_row, file, rows)
        keys = page_keys([row[2] for row in rows], [row[0] >> SID_BITS for row in rows])
        _, errors = decode_sound([row[3] for row in rows], keys, name_of=name_of, skip=StoreError)
        for i, e in errors.items():
            page, no, _, data = rows[i]
            fault = e.damage if isinstance(e, StoreDamaged) else e.message
            found.append(DamagedHistory(page, no, name_of(i), data, fault))
    return found


def _name_row(file: PageFile, rows: Sequence[tuple[Any, ...]], i: int) -> str:
    page, _, symbol, _ = rows[i]
    return f"{page_name(file.path, symbol, page >> SID_BITS)} (history)"
