"""Repairing the pages of a file: damaged ones are moved to the archive, readable ones copied from a broken file."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from kaboom.bars.folder.connection import connected, has_table
from kaboom.bars.folder.moments import to_us
from kaboom.bars.normalise import to_day, to_session
from kaboom.bars.pages.files import ALL, UNDATED, PageFile, page_name
from kaboom.bars.pages.history.moments import WriteMoment
from kaboom.bars.pages.history.replaced_bars import LOST
from kaboom.bars.pages.repair.archive import DamageArchive
from kaboom.bars.pages.schema import CREATE, HEADER, SID_BITS
from kaboom.bars.pages.verify import CHECKED, CheckedPage, check_rows, select_pages
from kaboom.bars.pages.write import prepare_file, transaction
from kaboom.bars.store import Gap, RepairedItem
from kaboom.drivers.clock import utc_now
from kaboom.market.bar import BarSeries

_OVERLAP = "SELECT sid, first, last, bars, at FROM asked WHERE sid = ? AND first <= ? AND last >= ?"
_PUT = "INSERT OR IGNORE INTO asked (sid, first, last, bars, at) VALUES (?, ?, ?, ?, ?)"
_PUT_PAGE = (
    f"INSERT INTO page (id, sid, bucket, data, {', '.join(HEADER)})"  # noqa: S608 (fixed names)
    f" VALUES ({', '.join('?' * (4 + len(HEADER)))})"
)
_FIRST_YEAR = 1949
#: Tables whose readable rows are copied; bars lost from the fetch log are fetched again.
_SIDE_TABLES = ("asked", "quarantine")


def remove_damaged_pages(
    file: PageFile, series: BarSeries, damaged: Sequence[CheckedPage], archive: DamageArchive | None
) -> list[RepairedItem]:
    """Move damaged pages to the archive and delete their log entries; without `archive` only report.

    Raises:
        StoreError: the file could not be locked or written.

    """
    if archive is None:
        return [_report(file, series, page, "") for page in damaged]
    with transaction(file) as sql:
        # A writer may have replaced some since they were found.
        still = [(page, row) for page, row in (_check_again(file, series, page) for page in damaged) if page.fault]
        if not still:
            return []
        kept = archive.keep_rows(file.path, [{**row, "fault": page.fault} for page, row in still])
        sql.executemany("DELETE FROM page WHERE id = ?", [(page.row,) for page, _ in still])
        prepare_file(file, sql)
        no = WriteMoment(sql, utc_now()).no
        sql.executemany("INSERT INTO replaced VALUES (?, ?, ?)", [(page.row, no, LOST) for page, _ in still])
        for page, row in still:
            delete_fetches(sql, row["sid"], days_of(series, page.bucket))
    return [_report(file, series, page, str(kept)) for page, _ in still]


def delete_fetches(sql: sqlite3.Connection, sid: int, days: tuple[date, date] | None) -> None:
    """Delete the fetch log of a symbol on some days, inside the caller's transaction; entries of other days stay."""
    if days is None or not has_table(sql, "asked"):
        return
    low, high = to_day(days[0]), to_day(days[1])
    runs = sql.execute(_OVERLAP, (sid, high, low)).fetchall()
    sql.executemany("DELETE FROM asked WHERE sid = ? AND first = ? AND last = ?", [run[:3] for run in runs])
    for _, first, last, bars, at in runs:
        pieces = ((first, low - 1), (high + 1, last))
        sql.executemany(_PUT, [(sid, a, b, bars, at) for a, b in pieces if a <= b])


def days_of(series: BarSeries, bucket: int) -> tuple[date, date] | None:
    """Return the first and the last day of a bucket, which is a session, or a year of daily bars.

    None if no date has the bucket, as in a damaged row.
    """
    try:
        if series.interval.is_intraday:
            return to_session(bucket), to_session(bucket)
        return date(bucket, 1, 1), date(bucket, 12, 31)
    except (OverflowError, ValueError):
        return None


def gaps_of(series: BarSeries, cells: Sequence[tuple[str, int]]) -> tuple[Gap, ...]:
    """Return symbols and buckets as gaps; symbols that lack the same buckets share one gap."""
    dated = sorted((symbol, days) for symbol, bucket in cells if (days := days_of(series, bucket)))
    by_days: dict[tuple[tuple[date, date], ...], list[str]] = {}
    for symbol, some in groupby(dated, key=lambda cell: cell[0]):
        by_days.setdefault(tuple(days for _, days in some), []).append(symbol)
    return tuple(Gap(series, tuple(symbols), days[0][0], days[-1][1]) for days, symbols in by_days.items())


def _check_again(file: PageFile, series: BarSeries, page: CheckedPage) -> tuple[CheckedPage, dict[str, Any]]:
    rows = file.sql.execute(f"{select_pages(file.sql)} WHERE p.id = ?", (page.row,)).fetchall()
    if not rows:
        return CheckedPage(page.row, page.symbol, page.bucket, 0), {}
    return next(check_rows(file.path, series, rows)), dict(zip(CHECKED, rows[0], strict=True))


def _report(file: PageFile, series: BarSeries, page: CheckedPage, kept: str) -> RepairedItem:
    where = page_name(file.path, page.symbol, page.bucket)
    gaps = gaps_of(series, [(page.symbol, page.bucket)] if page.symbol else [])
    done = "the page was moved to the archive" if kept else "the page would be moved to the archive"
    return RepairedItem(where, page.fault, done, kept, gaps)


@dataclass(slots=True)
class Salvaged:
    """The readable part of a damaged file.

    Attributes:
        pages: how many sound pages are in the new file.
        symbols: the symbols of the file by their ids; empty if they could not be read.
        lost: the symbol and bucket of each page that is damaged, or could not be read.

    """

    pages: int = 0
    symbols: dict[int, str] = field(default_factory=dict)
    lost: list[tuple[str, int]] = field(default_factory=list)


def salvage(damaged: Path, fresh: Path, series: BarSeries) -> Salvaged:
    """Write a new page file with the readable part of a damaged one, which may be missing.

    Its history begins now, since rows of the old history may be lost.

    Raises:
        sqlite3.Error, StoreError: the new file could not be written.

    """
    saved = Salvaged()
    with closing(sqlite3.connect(fresh, isolation_level=None)) as sql:
        sql.executescript(CREATE)
        sql.execute("UPDATE moment SET at = ? WHERE no = 0", (to_us(utc_now()),))
        if damaged.exists():
            # Not memory-mapped: a truncated file must not be read beyond its end.
            with connected(damaged, "mode=ro") as old:
                # Without this, SQLite reads nothing of a truncated file.
                old.execute("PRAGMA writable_schema = ON")
                sql.execute("BEGIN")
                _copy(old, sql, damaged, series, saved)
                sql.execute("COMMIT")
    return saved


def buckets_in(shard: str) -> range:
    """Return the buckets that a file can hold."""
    if shard == ALL:
        return range(_FIRST_YEAR, datetime.now(UTC).year + 2)
    if shard == UNDATED:
        return range(0)
    first = date.fromisoformat(f"{shard}-01")
    return range(to_day(first), to_day((first + timedelta(days=31)).replace(day=1)))


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, damaged: Path, series: BarSeries, saved: Salvaged) -> None:
    with suppress(sqlite3.DatabaseError):
        saved.symbols = dict(old.execute("SELECT id, symbol FROM sym NOT INDEXED").fetchall())
    new.executemany("INSERT OR IGNORE INTO sym (id, symbol) VALUES (?, ?)", saved.symbols.items())
    for bucket in buckets_in(damaged.stem):
        rows = list(_read_bucket(old, bucket, saved))
        for row, page in zip(rows, check_rows(damaged, series, rows), strict=True):
            if not page.fault:
                new.execute(_PUT_PAGE, (*row[:3], *row[4:]))
                saved.pages += 1
            elif page.symbol:
                saved.lost.append((page.symbol, bucket))
    for table in _SIDE_TABLES:
        _copy_rows(old, new, table)
    sids = {symbol: sid for sid, symbol in saved.symbols.items()}
    for symbol, bucket in saved.lost:
        if symbol in sids:
            delete_fetches(new, sids[symbol], days_of(series, bucket))


def _read_bucket(old: sqlite3.Connection, bucket: int, saved: Salvaged) -> Iterator[tuple[Any, ...]]:
    """Yield the pages of a bucket: all at once, or one by one if some cannot be read."""
    low = bucket << SID_BITS
    try:
        pages = select_pages(old)
        yield from old.execute(f"{pages} WHERE p.id >= ? AND p.id < ?", (low, low + (1 << SID_BITS))).fetchall()
    except sqlite3.DatabaseError:
        for sid, symbol in saved.symbols.items():
            try:
                yield from old.execute(f"{select_pages(old)} WHERE p.id = ?", (low | sid,)).fetchall()
            except sqlite3.DatabaseError:
                saved.lost.append((symbol, bucket))


def _copy_rows(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> None:
    with suppress(sqlite3.DatabaseError):
        # Tables of an older Kaboom have fewer columns.
        names = [row[1] for row in old.execute(f"PRAGMA table_info({table})")]
        marks = ", ".join("?" * len(names))
        put = f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 (fixed names)
        for row in old.execute(f"SELECT * FROM {table}"):  # noqa: S608 (fixed names)
            new.execute(put, row)
