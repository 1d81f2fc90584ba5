"""Reading bars: one symbol over time, every symbol of sessions, and coverage and the newest bars from page headers."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from functools import partial
from itertools import batched, repeat
from typing import Any

import polars as pl

from kaboom.bars.normalise import to_day, to_seconds, to_session
from kaboom.bars.pages.codec import PageColumns, decode_pages, page_keys
from kaboom.bars.pages.frames import keep_between, to_frame
from kaboom.bars.pages.newest import NEWEST, closes_before, newest_bars
from kaboom.bars.pages.read import bucket_of, newest_before
from kaboom.bars.pages.sound import COVER, decode_logged, drop_damaged, log_damage, to_coverage
from kaboom.bars.postgres.tables import BarTables, page_name
from kaboom.bars.store import COVERAGE_SCHEMA, count_sessions
from kaboom.drivers.postgres.blocking import Statements
from kaboom.market.bar import BAR_SCHEMA, BarSeries, empty_bars

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


#: The columns of `COVERAGE_SCHEMA`, and their checksum.
_COVER = ("symbol", *COVER, "cover_sum")
_COVER_SCHEMA = pl.Schema({**dict.fromkeys(_COVER, pl.Int64()), "symbol": pl.String()})
_BETWEEN = "FROM bar_page WHERE series = %s AND bucket BETWEEN %s AND %s"
_COVERED = f"SELECT {', '.join(_COVER)} {_BETWEEN}"
_BLOBS = f"SELECT symbol, bucket, data {_BETWEEN} ORDER BY symbol, bucket"
_BLOB = "SELECT data FROM bar_page WHERE series = %s AND bucket = %s AND symbol = %s"
_HEADER = ", ".join(f"p.{name}" for name in ("symbol", "bucket", *NEWEST, "newest_sum"))
_LATEST = f"""
SELECT p.* FROM {{symbols}}, LATERAL (
    SELECT {_HEADER} FROM bar_page p WHERE p.series = %s AND p.symbol = s.symbol ORDER BY p.bucket DESC LIMIT 1
) p
"""  # noqa: S608 (constants)
_CLOSES = f"""
SELECT p.* FROM unnest(%s::text[]) AS s (symbol), LATERAL (
    SELECT {_HEADER} FROM bar_page p WHERE p.series = %s AND p.symbol = s.symbol AND p.bucket <= %s
    ORDER BY p.bucket DESC LIMIT 2
) p
"""  # noqa: S608 (constants)
_EVERY, _SOME = "(SELECT symbol FROM bar_symbol WHERE series = %s) s", "unnest(%s::text[]) AS s (symbol)"


def coverage(tables: BarTables, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
    """Return the coverage from `first` to `last` inclusive, in `COVERAGE_SCHEMA`.

    Minutes need only the index. A page of daily bars holds a year, so its blob is read. A damaged page counts as not
    held, and is logged.
    """
    if first > last:
        return pl.DataFrame(schema=COVERAGE_SCHEMA)
    with tables.database.reading() as sql:
        number = tables.find(sql, series)
        if number is None:
            return pl.DataFrame(schema=COVERAGE_SCHEMA)
        if series.interval.is_intraday:
            days = to_day(first), to_day(last)
            return tables.remember(sql, (number, *days), lambda: count_pages(sql, series, number, days))
        rows = sql.rows(_BLOBS, (number, first.year, last.year))
    pages, columns = decode_logged(rows, partial(page_name, series))
    days = to_day(first) * _DAY_S, (to_day(last) + 1) * _DAY_S
    return count_sessions(to_frame([page[0] for page in pages], keep_between(columns, *days)))


def count_pages(sql: Statements, series: BarSeries, number: int, days: tuple[int, int]) -> pl.DataFrame:
    """Return the coverage of some days of minutes, in `COVERAGE_SCHEMA`, from the index alone."""
    text = sql.csv(_COVERED, (number, *days))
    if not text:
        return pl.DataFrame(schema=COVERAGE_SCHEMA)
    rows = pl.read_csv(text, has_header=False, schema=_COVER_SCHEMA)
    names = rows["symbol"].unique().sort()
    ranked = rows.with_columns(symbol=pl.col("symbol").cast(pl.Enum(names)).to_physical())
    return to_coverage(drop_damaged(ranked, names, partial(page_name, series)), names)


def latest(tables: BarTables, series: BarSeries, symbols: Sequence[str] = ()) -> pl.DataFrame:
    """Return the newest bar of every symbol, or of those named, in `BAR_SCHEMA`, sorted by symbol.

    A symbol whose newest page is damaged is left out and logged.
    """
    with tables.database.reading() as sql:
        number = tables.find(sql, series)
        if number is None:
            return pl.DataFrame(schema=BAR_SCHEMA)
        chosen, which = (_SOME, sorted(set(symbols))) if symbols else (_EVERY, number)
        rows = sql.rows(_LATEST.format(symbols=chosen), (which, number))
        return newest_bars(rows, partial(_read_page, sql, series, number)).sort("symbol")


def last_closes(tables: BarTables, series: BarSeries, symbols: Sequence[str], *, before: date) -> dict[str, float]:
    """Return each symbol's last close in a session before `before`; a damaged one is left out and logged."""
    with tables.database.reading() as sql:
        number = tables.find(sql, series)
        if number is None:
            return {}
        rows = sql.rows(_CLOSES, (sorted(set(symbols)), number, newest_before(series.interval, before)))
        closes = closes_before(rows, to_day(before) * _DAY_S, partial(_read_page, sql, series, number))
    return {symbol: close for symbol, close in closes.items() if close is not None}


def _read_page(
    sql: Statements, series: BarSeries, number: int, symbol: str, bucket: int, *, is_sound: bool = False
) -> PageColumns | None:
    if not is_sound:
        log_damage(page_name(series, symbol, bucket))
    rows = [(symbol, bucket, data) for (data,) in sql.rows(_BLOB, (number, bucket, symbol))]
    sound, columns = decode_logged(rows, partial(page_name, series))
    return columns if sound else None
