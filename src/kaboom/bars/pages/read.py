"""Reading bars from pages: one symbol over time, or every symbol of one session. Errors are raised as StoreError."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import repeat
from pathlib import Path

import polars as pl

from kaboom.bars.normalise import to_day, to_seconds, to_session
from kaboom.bars.pages.codec import PageColumns, decode_pages, page_keys
from kaboom.bars.pages.files import ALL, UNDATED, PageFiles, page_name
from kaboom.bars.pages.frames import keep_between, shard_of, to_frame
from kaboom.bars.pages.schema import SID_BITS
from kaboom.market.bar import BarSeries, empty_bars
from kaboom.market.interval import Interval

_DAY_S = 86_400
_ONE_SYMBOL = """
SELECT p.bucket, CAST(p.data AS BLOB) FROM sym s JOIN page p INDEXED BY cov ON p.sid = s.id
WHERE s.symbol = ? AND p.bucket BETWEEN ? AND ? ORDER BY p.bucket
"""
_BUCKETS = f"""
SELECT s.symbol, p.id >> {SID_BITS}, CAST(p.data AS BLOB) FROM page p JOIN sym s ON s.id = p.sid
WHERE p.id >= ? AND p.id < ?
"""  # noqa: S608 (a constant)


def read_bars(files: PageFiles, series: BarSeries, *, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
    """Return one symbol's bars with `start <= opened_at < end`, in `BAR_SCHEMA`.

    Raises:
        InvalidRequest: a time has no zone.

    """
    start_s, end_s = to_seconds(start, "start"), to_seconds(end, "end")
    if start_s >= end_s:
        return empty_bars()
    first, last = (bucket_of(series.interval, to_session(s // _DAY_S)) for s in (start_s, end_s - 1))
    pages: list[tuple[Path, int]] = []
    blobs: list[bytes] = []
    for shard in shards_between(files, series, first, last):
        with files.opened(series, shard) as file:
            for bucket, blob in file.sql.execute(_ONE_SYMBOL, (symbol, first, last)) if file else ():
                pages.append((files.path(series, shard), bucket))
                blobs.append(blob)
    if not blobs:
        return empty_bars()
    keys = page_keys(repeat(symbol, len(pages)), [bucket for _, bucket in pages])
    columns = decode_pages(blobs, keys, name_of=lambda i: page_name(pages[i][0], symbol, pages[i][1]))
    return to_frame([symbol] * len(blobs), keep_between(columns, start_s, end_s))


def read_session(files: PageFiles, series: BarSeries, session: date) -> pl.DataFrame:
    """Return every symbol's bars of one session, in `BAR_SCHEMA`."""
    return read_sessions(files, series, first=session, last=session)


def read_sessions(files: PageFiles, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
    """Return every symbol's bars from session `first` to `last` inclusive, in `BAR_SCHEMA`: file by file, by symbol."""
    buckets = bucket_of(series.interval, first), bucket_of(series.interval, last)
    found = [_read_buckets(files, series, shard, buckets) for shard in shards_between(files, series, *buckets)]
    parts = [to_frame(symbols, _within(series, columns, first, last)) for symbols, columns in filter(None, found)]
    return parts[0] if len(parts) == 1 else pl.concat([empty_bars(), *parts])


def _read_buckets(
    files: PageFiles, series: BarSeries, shard: str, buckets: tuple[int, int]
) -> tuple[Sequence[str], PageColumns] | None:
    with files.opened(series, shard) as file:
        ids = (buckets[0] << SID_BITS, (buckets[1] + 1) << SID_BITS)
        pages = sorted(file.sql.execute(_BUCKETS, ids)) if file else []
    if not pages:
        return None
    symbols, days, blobs = zip(*pages, strict=True)
    path = files.path(series, shard)
    keys = page_keys(symbols, days)
    return symbols, decode_pages(blobs, keys, name_of=lambda i: page_name(path, symbols[i], days[i]))


def _within(series: BarSeries, columns: PageColumns, first: date, last: date) -> PageColumns:
    if series.interval.is_intraday:
        return columns
    return keep_between(columns, to_day(first) * _DAY_S, (to_day(last) + 1) * _DAY_S)


def shards_between(files: PageFiles, series: BarSeries, first: int, last: int) -> list[str]:
    """Return the files that can hold buckets from `first` to `last`, oldest first; a single one may not exist."""
    oldest, newest = shard_of(series.interval, first), shard_of(series.interval, last)
    if oldest == newest:
        return [oldest]
    return [s for s in dated_shards(files, series) if oldest <= s <= newest]


def dated_shards(files: PageFiles, series: BarSeries) -> list[str]:
    """Return a series' files that can hold pages, oldest first."""
    return [s for s in files.shards(series) if s != UNDATED]


def within_month(shard: str, between: tuple[int, int]) -> tuple[int, int]:
    """Return a range of buckets, clipped to a file's month, if any, so that a whole month is cached under one key."""
    if shard == ALL:
        return between
    month = date.fromisoformat(f"{shard}-01")
    return max(to_day(month), between[0]), min(to_day(month + timedelta(days=31)), between[1])


def bucket_of(interval: Interval, session: date) -> int:
    """Return the bucket that holds a session."""
    return to_day(session) if interval.is_intraday else session.year


def newest_before(interval: Interval, session: date) -> int:
    """Return the newest bucket that can hold a bar from before a session."""
    return to_day(session) - 1 if interval.is_intraday else session.year
