"""The moments of a page file: each write that changes a bar gets a number, and the time at which it was committed.

Moments are microseconds since 1970, UTC, and rise with their numbers. Number 0 is the moment from which the history of
the file is whole.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from kaboom.bars.folder.connection import has_table
from kaboom.bars.folder.moments import check_begin, last_change_us, to_us
from kaboom.bars.pages.files import PageFile
from kaboom.bars.pages.schema import CREATE_HISTORY
from kaboom.errors import StoreError

#: A writer that has not committed this long after its moment gives up, and tries again.
MOST_COMMIT_S = 30.0
#: Moments younger than this may have a writer that has not committed yet.
_RECENT = timedelta(seconds=2 * MOST_COMMIT_S)
_NEWEST = "SELECT no, at FROM moment ORDER BY no DESC LIMIT 1"


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
