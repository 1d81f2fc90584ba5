"""Damaged pages of a file whose structure is sound: set aside one by one, under the lock of a writer."""

import sqlite3
from collections.abc import Sequence
from datetime import date
from itertools import groupby
from typing import Any

from batch.bars.normal import to_day, to_session
from batch.bars.pages.files import PageFile, page_name
from batch.bars.pages.repair.aside import Aside
from batch.bars.pages.repair.port import Gap, Mended
from batch.bars.pages.schema import HEADER
from batch.bars.pages.verify import PAGES, CheckedPage, check_rows
from batch.bars.pages.write import transaction
from batch.market.bar import BarSeries

_COLUMNS = ("id", "sid", "bucket", "symbol", "data", *HEADER)
_HAS_ASKED = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'asked')"
_OVERLAP = "SELECT sid, first, last, bars, at FROM asked WHERE sid = ? AND first <= ? AND last >= ?"
_PUT = "INSERT OR IGNORE INTO asked (sid, first, last, bars, at) VALUES (?, ?, ?, ?, ?)"


def set_pages_aside(
    file: PageFile, series: BarSeries, damaged: Sequence[CheckedPage], aside: Aside | None
) -> list[Mended]:
    """Move damaged pages out of their file and forget what was answered of their sessions; without `aside` only look.

    Raises:
        StoreError: the file could not be locked or written.

    """
    if aside is None:
        return [_mended(file, series, page, "") for page in damaged]
    with transaction(file) as sql:
        # A writer may have been here since they were found.
        still = [(page, row) for page, row in (_look_again(file, series, page) for page in damaged) if page.fault]
        if not still:
            return []
        kept = aside.keep_rows(file.path, [{**row, "fault": page.fault} for page, row in still])
        sql.executemany("DELETE FROM page WHERE id = ?", [(page.row,) for page, _ in still])
        for page, row in still:
            forget_answers(sql, row["sid"], days_of(series, page.bucket))
    return [_mended(file, series, page, str(kept)) for page, _ in still]


def forget_answers(sql: sqlite3.Connection, sid: int, days: tuple[date, date]) -> None:
    """Forget what was answered of a symbol on some days, inside the caller's transaction; of others it stays."""
    if not sql.execute(_HAS_ASKED).fetchone()[0]:
        return
    low, high = to_day(days[0]), to_day(days[1])
    runs = sql.execute(_OVERLAP, (sid, high, low)).fetchall()
    sql.executemany("DELETE FROM asked WHERE sid = ? AND first = ? AND last = ?", [run[:3] for run in runs])
    for _, first, last, bars, at in runs:
        pieces = ((first, low - 1), (high + 1, last))
        sql.executemany(_PUT, [(sid, a, b, bars, at) for a, b in pieces if a <= b])


def days_of(series: BarSeries, bucket: int) -> tuple[date, date]:
    """Return the first and the last day of a bucket: a session, or of daily bars a year."""
    if series.interval.is_intraday:
        return to_session(bucket), to_session(bucket)
    return date(bucket, 1, 1), date(bucket, 12, 31)


def gaps_of(series: BarSeries, cells: Sequence[tuple[str, int]]) -> tuple[Gap, ...]:
    """Return symbols and buckets as gaps: symbols that lack the same buckets share one."""
    by_symbol = {s: tuple(sorted(b for _, b in some)) for s, some in groupby(sorted(cells), key=lambda cell: cell[0])}
    by_buckets: dict[tuple[int, ...], list[str]] = {}
    for symbol, buckets in by_symbol.items():
        by_buckets.setdefault(buckets, []).append(symbol)
    return tuple(
        Gap(series, tuple(symbols), days_of(series, buckets[0])[0], days_of(series, buckets[-1])[1])
        for buckets, symbols in by_buckets.items()
    )


def _look_again(file: PageFile, series: BarSeries, page: CheckedPage) -> tuple[CheckedPage, dict[str, Any]]:
    rows = file.sql.execute(f"{PAGES} WHERE p.id = ?", (page.row,)).fetchall()
    if not rows:
        return CheckedPage(page.row, page.symbol, page.bucket, 0), {}
    return next(check_rows(file.path, series, rows)), dict(zip(_COLUMNS, rows[0], strict=True))


def _mended(file: PageFile, series: BarSeries, page: CheckedPage, kept: str) -> Mended:
    where = page_name(file.path, page.symbol, page.bucket)
    gaps: tuple[Gap, ...] = ()
    if page.symbol and _is_day(series, page.bucket):
        gaps = gaps_of(series, [(page.symbol, page.bucket)])
    done = "the page was set aside" if kept else "the page would be set aside"
    return Mended(where, page.fault, done, kept, gaps)


def _is_day(series: BarSeries, bucket: int) -> bool:
    try:
        days_of(series, bucket)
    except (OverflowError, ValueError):
        return False
    return True
