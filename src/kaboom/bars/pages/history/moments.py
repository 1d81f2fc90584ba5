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
from itertools import pairwise
from typing import Any

from kaboom.bars.folder.connection import REPAIR, has_table
from kaboom.bars.folder.moments import check_begin, find_damaged_time, last_change_us, to_us
from kaboom.bars.pages.codec import decode_sound, page_keys
from kaboom.bars.pages.files import PageFile, check_order, page_name
from kaboom.bars.pages.history.replaced_bars import find_damaged_runs
from kaboom.bars.pages.schema import CREATE_HISTORY, SID_BITS
from kaboom.errors import StoreDamaged, StoreError

#: A writer that has not committed this long after its moment gives up, and tries again.
MOST_COMMIT_S = 30.0
#: Moments younger than this may have a writer that has not committed yet.
_RECENT = timedelta(seconds=2 * MOST_COMMIT_S)
_NO_FIRST = "the one of number 0 is missing"
_NEWEST = "SELECT no, at FROM moment ORDER BY no DESC LIMIT 1"
#: Runs hold the number of a moment in 32 bits.
_MOST_MOMENTS = 2**32
_AT_ONCE = 2_000
#: A damaged value is cast to its type.
_PASTS = f"""
SELECT p.id, coalesce(s.symbol, ''), coalesce(CAST(p.since AS INTEGER), 0), CAST(p.grown AS BLOB),
CAST(p.first_ts AS INTEGER), CAST(p.last_ts AS INTEGER)
FROM page p LEFT JOIN sym s ON s.id = (p.id & {(1 << SID_BITS) - 1})
WHERE p.grown IS NOT NULL OR p.since > ? OR p.since < 0
"""  # noqa: S608 (constants)
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
        """The number of the moment; the first call adds it to the file, or raises StoreDamaged."""
        if self._no is None:
            if damage := find_damaged_moments(self._sql, _NEWEST):
                raise damaged_moments(self._sql, damage)
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
    first = file.sql.execute("SELECT at FROM moment WHERE no = 0").fetchone()
    if first is None:
        raise damaged_moments(file.sql, _NO_FIRST)
    check_begin(file.path, first[0], at)
    (number,) = file.sql.execute("SELECT coalesce(max(no), 0) FROM moment WHERE no > 0 AND at <= ?", (at,)).fetchone()
    return int(number)


@dataclass(frozen=True, slots=True)
class DamagedHistory:
    """A row of the history that cannot be read.

    Attributes:
        page: the id of its page.
        no: its moment; 0 if the row is that of the page itself.
        where: its place, for people.
        data: its blob: replaced bars, or the runs of the page.
        fault: what is wrong with it.
        is_past: whether only its moments are wrong.

    """

    page: int
    no: int
    where: str
    data: bytes
    fault: str
    is_past: bool = False


def find_damaged_history(file: PageFile) -> list[DamagedHistory]:
    """Return the rows of a file's history that cannot be read; raises sqlite3.Error if the table cannot be."""
    if not has_history(file.sql):
        return []
    (newest,) = file.sql.execute("SELECT coalesce(max(no), 0) FROM moment").fetchone()
    found, after = _find_damaged_pasts(file, newest), (-(2**63), -(2**63))
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
        for i, (page, no, _, data) in enumerate(rows):
            if i not in errors and not 0 < no <= newest:
                why = f"its moment was {no}, expected 1 to {newest}"
                found.append(DamagedHistory(page, no, name_of(i), data, why, is_past=True))
    return found


def _find_damaged_pasts(file: PageFile, newest: int) -> list[DamagedHistory]:
    """Return the pages whose `since` or `grown` is wrong."""
    found = list[DamagedHistory]()
    for page, symbol, since, grown, *bars in file.sql.execute(_PASTS, (newest,)).fetchall():
        if 0 <= since <= newest:
            fault = find_damaged_runs(grown, (bars[0], bars[1]), (since, newest))
        else:
            fault = f"it was added at moment {since}, expected 0 to {newest}"
        if fault:
            where = f"{page_name(file.path, symbol, page >> SID_BITS)} (history)"
            found.append(DamagedHistory(page, 0, where, grown or b"", fault, is_past=True))
    return found


def find_damaged_moments(sql: sqlite3.Connection, select: str = "SELECT no, at FROM moment ORDER BY no") -> str:
    """Return what is wrong with the moments of a file, or with those that are selected; "" if nothing is."""
    rows = sql.execute(select).fetchall()
    if not rows:
        return _NO_FIRST
    for no, at in rows:
        if not 0 <= no < _MOST_MOMENTS:
            return f"one had the number {no}, expected 0 to {_MOST_MOMENTS - 1}"
        if damage := find_damaged_time(at):
            return damage
    # That of number 0 is the begin of the history, which a compaction moves behind others.
    written = [row for row in rows if row[0]]
    for (earlier, at), (later, after) in pairwise(written):
        if after <= at:
            return f"moment {later} was at {after}, expected later than {at}, moment {earlier}"
    return "" if rows[0][0] == 0 or len(rows) == 1 else _NO_FIRST


def damaged_moments(sql: sqlite3.Connection, why: str) -> StoreDamaged:
    """Return the error that the moments of a file are damaged."""
    path = sql.execute("PRAGMA database_list").fetchone()[2]
    return StoreDamaged(f"the moments of bar file {path} are damaged: {why}", repair=REPAIR)


def begin_again(sql: sqlite3.Connection, now: datetime) -> list[tuple[int, int]]:
    """Have the history of a file begin now, inside the caller's transaction; return the moments that it had."""
    moments = sql.execute("SELECT no, at FROM moment ORDER BY no").fetchall()
    known = "SELECT no FROM moment UNION ALL SELECT no FROM replaced UNION ALL SELECT since FROM page"
    (newest,) = sql.execute(f"SELECT coalesce(max(no), 0) FROM ({known}) WHERE no < {_MOST_MOMENTS - 1}").fetchone()  # noqa: S608 (constants)
    sql.execute("DELETE FROM moment")
    # Every bar was known at the newest moment, which is now.
    sql.executemany("INSERT INTO moment VALUES (?, ?)", [(0, to_us(now)), (newest + 1, to_us(now))])
    return moments


def _name_row(file: PageFile, rows: Sequence[tuple[Any, ...]], i: int) -> str:
    page, _, symbol, _ = rows[i]
    return f"{page_name(file.path, symbol, page >> SID_BITS)} (history)"
