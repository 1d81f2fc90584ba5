"""Dropping old pages and giving their space back while other processes read and write.

A file is emptied, never deleted: a writer that has it open would write to a file without a name. Errors are raised as
StoreError.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime

from kaboom.bars.folder.connection import has_table
from kaboom.bars.folder.moments import to_us
from kaboom.bars.normalise import to_day
from kaboom.bars.pages.files import PageFile, PageFiles, size_on_disk
from kaboom.bars.pages.history.moments import has_history
from kaboom.bars.pages.quarantine import EVERY_TIME
from kaboom.bars.pages.read import bucket_of
from kaboom.bars.pages.schema import SID_BITS
from kaboom.bars.pages.write import transaction
from kaboom.bars.store import Compaction, OldBars
from kaboom.drivers.stop import ShouldStop, Stopped, check_stop, never
from kaboom.errors import StoreError
from kaboom.market.bar import BarSeries

_DAY_US = 86_400_000_000
#: A file is rewritten if at least this share of it is unused; below that, the next writes use the space.
_LEAST_UNUSED = 0.2
_COUNT = """
SELECT count(DISTINCT bucket), coalesce(sum(n), 0), count(*), coalesce(sum(length(data)), 0) FROM page WHERE bucket < ?
"""
#: SQLite instructions between two checks for a stop: about a millisecond.
_STEPS = 1_000
_NEWEST_BEFORE = "SELECT max(no) FROM moment WHERE no > 0 AND at <= ?"


def count_older(files: PageFiles, series: BarSeries, shard: str, *, before: date) -> OldBars:
    """Count the bars of a file in sessions before a day; daily bars in years before the year of that day."""
    with files.opened(series, shard) as file:
        return OldBars() if file is None else _count(file.sql, bucket_of(series.interval, before))


def compact_shard(
    files: PageFiles,
    series: BarSeries,
    shard: str,
    *,
    before: date | None,
    history_from: datetime | None = None,
    should_stop: ShouldStop = never,
) -> Compaction:
    """Drop the bars of a file in sessions before a day, if one is given, and give unused space back.

    Bars that were replaced before `history_from` are dropped, too.

    Raises:
        Stopped: `should_stop` turned true before anything was dropped.

    """
    with files.opened(series, shard) as file:
        if file is None:
            return Compaction(OldBars())
        size = size_on_disk(file.path)
        with _interruptible(file, should_stop):
            dropped = OldBars() if before is None else _drop(file, series, before)
            if history_from is not None:
                _forget(file, history_from)
        # A stop from here on leaves the space to the next compaction; the bars are dropped.
        with suppress(Stopped), _interruptible(file, should_stop):
            _shrink(file)
        return Compaction(dropped, size, size_on_disk(file.path))


@contextmanager
def _interruptible(file: PageFile, should_stop: ShouldStop) -> Iterator[None]:
    """Interrupt the running SQLite statement when a stop is wanted; it is rolled back, and `Stopped` is raised."""
    check_stop(should_stop)
    is_stopped = False

    def is_interrupted() -> bool:
        nonlocal is_stopped
        # Interrupt only one statement: the ROLLBACK after it must run.
        is_stopped, was_stopped = is_stopped or should_stop(), is_stopped
        return is_stopped and not was_stopped

    file.sql.set_progress_handler(is_interrupted, _STEPS)
    try:
        yield
    except (StoreError, sqlite3.OperationalError) as e:
        cause = e.__cause__ if isinstance(e, StoreError) else e
        if getattr(cause, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
            raise
        raise Stopped from e
    finally:
        file.sql.set_progress_handler(None, 0)


def _drop(file: PageFile, series: BarSeries, before: date) -> OldBars:
    bucket = bucket_of(series.interval, before)
    day = to_day(before if series.interval.is_intraday else date(before.year, 1, 1))
    with transaction(file) as sql:
        dropped = _count(sql, bucket)
        sql.execute("DELETE FROM page WHERE bucket < ?", (bucket,))
        if has_history(sql):
            sql.execute("DELETE FROM replaced WHERE page < ?", (bucket << SID_BITS,))
        sql.execute("DELETE FROM quarantine WHERE opened_at < ? AND opened_at > ?", (day * _DAY_US, EVERY_TIME))
        if has_table(sql, "asked"):
            # An entry without its bars would mean that they are lost.
            sql.execute("UPDATE OR IGNORE asked SET first = ? WHERE first < ? AND last >= ?", (day, day, day))
            sql.execute("DELETE FROM asked WHERE first < ?", (day,))
    return dropped


def _forget(file: PageFile, before: datetime) -> None:
    """Drop the bars that were replaced before a moment; earlier moments cannot be read any more."""
    at = to_us(before)
    if not has_history(file.sql) or file.sql.execute(_NEWEST_BEFORE, (at,)).fetchone()[0] is None:
        return
    with transaction(file) as sql:
        (newest,) = sql.execute(_NEWEST_BEFORE, (at,)).fetchone()
        sql.execute("DELETE FROM replaced WHERE no <= ?", (newest,))
        sql.execute("DELETE FROM moment WHERE no > 0 AND no < ?", (newest,))
        sql.execute("UPDATE moment SET at = max(at, ?) WHERE no = 0", (at,))


def _count(sql: sqlite3.Connection, bucket: int) -> OldBars:
    return OldBars(*sql.execute(_COUNT, (bucket,)).fetchone())


def _shrink(file: PageFile) -> None:
    (pages,) = file.sql.execute("PRAGMA page_count").fetchone()
    (free,) = file.sql.execute("PRAGMA freelist_count").fetchone()
    if free and free >= pages * _LEAST_UNUSED:
        # VACUUM writes to the write-ahead log first: a kill leaves the file as it was.
        file.sql.execute("VACUUM")
    file.sql.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
