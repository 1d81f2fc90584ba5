"""Dropping old pages and giving their space back, beside readers and writers of other processes.

A file is emptied, never deleted: a writer that has it open would go on writing to a file without a name.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date

from batch.bars.compaction import Compaction, OldBars
from batch.bars.folder.errors import store_errors
from batch.bars.normal import to_day
from batch.bars.pages.files import PageFile, PageFiles
from batch.bars.pages.read import bucket_of
from batch.bars.pages.write import transaction
from batch.errors import StoreError
from batch.kit.stop import ShouldStop, Stopped, check_stop, never
from batch.market.bar import BarSeries

_DAY_US = 86_400_000_000
#: Rewriting a file costs its size; below this share of unused pages the next writes use them up.
_WORTH_IT = 0.2
_COUNT = """
SELECT count(DISTINCT bucket), coalesce(sum(n), 0), count(*), coalesce(sum(length(data)), 0) FROM page WHERE bucket < ?
"""
#: Steps of SQLite's machine between two looks for a stop: a millisecond or less.
_STEPS = 1_000
_HAS_ASKED = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'asked')"


def count_older(files: PageFiles, series: BarSeries, shard: str, *, before: date) -> OldBars:
    """Return what a file holds of sessions before a day; of daily bars, of years before that day's.

    Raises:
        StoreError: the file cannot be read.

    """
    path = files.path(series, shard)
    with store_errors(path):
        file = files.open(path)
        return OldBars() if file is None else _count(file.sql, bucket_of(series.interval, before))


def compact_shard(
    files: PageFiles,
    series: BarSeries,
    shard: str,
    *,
    before: date | None,
    should_stop: ShouldStop = never,
) -> Compaction:
    """Drop what a file holds of sessions before a day, if one is given, and give unused space back.

    Raises:
        Stopped: `should_stop` turned true before anything was dropped.
        StoreError: the file could not be locked or written; `retryable` says whether to try again.

    """
    path = files.path(series, shard)
    with store_errors(path):
        file = files.open(path)
        if file is None:
            return Compaction(OldBars())
        size = _size(file)
        with _interruptible(file, should_stop):
            dropped = OldBars() if before is None else _drop(file, series, before)
        # What was dropped is dropped: stopped from here on, only its space is still taken, until the next compaction.
        with suppress(Stopped), _interruptible(file, should_stop):
            _shrink(file)
        return Compaction(dropped, size, _size(file))


@contextmanager
def _interruptible(file: PageFile, should_stop: ShouldStop) -> Iterator[None]:
    """Break off a statement of SQLite where a stop is wanted; it is rolled back.

    Raises:
        Stopped: it was broken off.

    """
    check_stop(should_stop)
    is_stopped = False

    def ask() -> bool:
        nonlocal is_stopped
        # One statement is broken off: the ROLLBACK after it must run.
        is_stopped, was_stopped = is_stopped or should_stop(), is_stopped
        return is_stopped and not was_stopped

    file.sql.set_progress_handler(ask, _STEPS)
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
    if not series.interval.is_intraday:
        before = date(before.year, 1, 1)
    with transaction(file) as sql:
        dropped = _count(sql, bucket)
        sql.execute("DELETE FROM page WHERE bucket < ?", (bucket,))
        day = to_day(before)
        # A row without a time is older than any day.
        sql.execute("DELETE FROM quarantine WHERE opened_at < ? AND opened_at > ?", (day * _DAY_US, -(2**63)))
        if sql.execute(_HAS_ASKED).fetchone()[0]:
            _forget_answers(sql, day)
    return dropped


def _forget_answers(sql: sqlite3.Connection, day: int) -> None:
    """Forget what was answered before a day: left there, it would say that the bars are lost."""
    sql.execute("UPDATE OR IGNORE asked SET first = ? WHERE first < ? AND last >= ?", (day, day, day))
    # Ignored was a run of which the rest is known already.
    sql.execute("DELETE FROM asked WHERE first < ?", (day,))


def _count(sql: sqlite3.Connection, bucket: int) -> OldBars:
    return OldBars(*sql.execute(_COUNT, (bucket,)).fetchone())


def _shrink(file: PageFile) -> None:
    (pages,) = file.sql.execute("PRAGMA page_count").fetchone()
    (free,) = file.sql.execute("PRAGMA freelist_count").fetchone()
    if free and free >= pages * _WORTH_IT:
        # Into the write-ahead log first: killed in between, the file is as it was.
        file.sql.execute("VACUUM")
    file.sql.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _size(file: PageFile) -> int:
    parts = (file.path, file.path.with_name(f"{file.path.name}-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())
