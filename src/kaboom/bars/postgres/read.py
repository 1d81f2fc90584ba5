"""Reading bars: one symbol over time, or every symbol of sessions."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from functools import partial
from itertools import batched, repeat
from typing import Any

import polars as pl

from kaboom.bars.normalise import to_day, to_seconds, to_session
from kaboom.bars.pages.codec import decode_pages, page_keys
from kaboom.bars.pages.frames import keep_between, to_frame
from kaboom.bars.pages.read import bucket_of
from kaboom.bars.postgres.tables import BarTables, page_name
from kaboom.drivers.postgres.blocking import Statements
from kaboom.market.bar import BarSeries, empty_bars

_DAY_S = 86_400
#: Sessions whose pages are in memory at the same time: about 40 MB of a whole market.
_SESSIONS_AT_ONCE = 20
_ONE_SYMBOL = """
SELECT bucket, data FROM bar_page WHERE series = %s AND symbol = %s AND bucket BETWEEN %s AND %s ORDER BY bucket
"""
_BUCKETS = "SELECT symbol, bucket, data FROM bar_page WHERE series = %s AND bucket BETWEEN %s AND %s"


def read_bars(tables: BarTables, series: BarSeries, *, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
    """Return one symbol's bars with `start <= opened_at < end`, in `BAR_SCHEMA`.

    Raises:
        InvalidRequest: a time has no zone.

    """
    start_s, end_s = to_seconds(start, "start"), to_seconds(end, "end")
    if start_s >= end_s:
        return empty_bars()
    first, last = (bucket_of(series.interval, to_session(s // _DAY_S)) for s in (start_s, end_s - 1))
    with tables.database.reading() as sql:
        number = tables.find(sql, series)
        rows = [] if number is None else sql.rows(_ONE_SYMBOL, (number, symbol, first, last))
    if not rows:
        return empty_bars()
    buckets, blobs = zip(*rows, strict=True)
    keys = page_keys(repeat(symbol, len(rows)), buckets)
    columns = decode_pages(blobs, keys, name_of=lambda i: page_name(series, symbol, buckets[i]))
    return to_frame([symbol] * len(rows), keep_between(columns, start_s, end_s))


def read_sessions(tables: BarTables, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
    """Return every symbol's bars from session `first` to `last` inclusive, in `BAR_SCHEMA`."""
    with tables.database.reading() as sql:
        number = tables.find(sql, series)
        found = [] if number is None else list(_read_buckets(sql, series, number, first=first, last=last))
    return found[0] if len(found) == 1 else pl.concat([empty_bars(), *found])


def _read_buckets(
    sql: Statements, series: BarSeries, number: int, *, first: date, last: date
) -> Iterator[pl.DataFrame]:
    first_s, end_s = to_day(first) * _DAY_S, (to_day(last) + 1) * _DAY_S
    buckets = range(bucket_of(series.interval, first), bucket_of(series.interval, last) + 1)
    for some in batched(buckets, _SESSIONS_AT_ONCE):
        rows = sorted(sql.rows(_BUCKETS, (number, some[0], some[-1])))
        if rows:
            symbols, days, blobs = zip(*rows, strict=True)
            columns = decode_pages(blobs, page_keys(symbols, days), name_of=partial(_name_row, series, rows))
            yield to_frame(symbols, keep_between(columns, start_s=first_s, end_s=end_s))


def _name_row(series: BarSeries, rows: Sequence[tuple[Any, ...]], i: int) -> str:
    return page_name(series, *rows[i][:2])
