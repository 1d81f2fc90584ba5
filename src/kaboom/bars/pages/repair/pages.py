"""Repairing a file whose structure is sound: damaged pages are moved to the archive, under a writer's lock."""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from itertools import groupby
from typing import Any

from kaboom.bars.folder.connection import has_table
from kaboom.bars.normalise import to_day, to_session
from kaboom.bars.pages.files import PageFile, page_name
from kaboom.bars.pages.history.moments import WriteMoment
from kaboom.bars.pages.history.replaced_bars import LOST
from kaboom.bars.pages.repair.archive import DamageArchive
from kaboom.bars.pages.repair.port import Gap, RepairedItem
from kaboom.bars.pages.verify import CHECKED, CheckedPage, check_rows, select_pages
from kaboom.bars.pages.write import prepare_file, transaction
from kaboom.drivers.clock import utc_now
from kaboom.market.bar import BarSeries

_OVERLAP = "SELECT sid, first, last, bars, at FROM asked WHERE sid = ? AND first <= ? AND last >= ?"
_PUT = "INSERT OR IGNORE INTO asked (sid, first, last, bars, at) VALUES (?, ?, ?, ?, ?)"


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


def delete_fetches(sql: sqlite3.Connection, sid: int, days: tuple[date, date]) -> None:
    """Delete the fetch log of a symbol on some days, inside the caller's transaction; entries of other days stay."""
    if not has_table(sql, "asked"):
        return
    low, high = to_day(days[0]), to_day(days[1])
    runs = sql.execute(_OVERLAP, (sid, high, low)).fetchall()
    sql.executemany("DELETE FROM asked WHERE sid = ? AND first = ? AND last = ?", [run[:3] for run in runs])
    for _, first, last, bars, at in runs:
        pieces = ((first, low - 1), (high + 1, last))
        sql.executemany(_PUT, [(sid, a, b, bars, at) for a, b in pieces if a <= b])


def days_of(series: BarSeries, bucket: int) -> tuple[date, date]:
    """Return the first and the last day of a bucket, which is a session, or a year of daily bars."""
    if series.interval.is_intraday:
        return to_session(bucket), to_session(bucket)
    return date(bucket, 1, 1), date(bucket, 12, 31)


def gaps_of(series: BarSeries, cells: Sequence[tuple[str, int]]) -> tuple[Gap, ...]:
    """Return symbols and buckets as gaps; symbols that lack the same buckets share one gap."""
    by_symbol = {s: tuple(sorted(b for _, b in some)) for s, some in groupby(sorted(cells), key=lambda cell: cell[0])}
    by_buckets: dict[tuple[int, ...], list[str]] = {}
    for symbol, buckets in by_symbol.items():
        by_buckets.setdefault(buckets, []).append(symbol)
    return tuple(
        Gap(series, tuple(symbols), days_of(series, buckets[0])[0], days_of(series, buckets[-1])[1])
        for buckets, symbols in by_buckets.items()
    )


def _check_again(file: PageFile, series: BarSeries, page: CheckedPage) -> tuple[CheckedPage, dict[str, Any]]:
    rows = file.sql.execute(f"{select_pages(file.sql)} WHERE p.id = ?", (page.row,)).fetchall()
    if not rows:
        return CheckedPage(page.row, page.symbol, page.bucket, 0), {}
    return next(check_rows(file.path, series, rows)), dict(zip(CHECKED, rows[0], strict=True))


def _report(file: PageFile, series: BarSeries, page: CheckedPage, kept: str) -> RepairedItem:
    where = page_name(file.path, page.symbol, page.bucket)
    gaps: tuple[Gap, ...] = ()
    with suppress(OverflowError, ValueError):  # the bucket of a damaged row may be no day
        gaps = gaps_of(series, [(page.symbol, page.bucket)] if page.symbol else [])
    done = "the page was moved to the archive" if kept else "the page would be moved to the archive"
    return RepairedItem(where, page.fault, done, kept, gaps)
