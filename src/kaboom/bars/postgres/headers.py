"""Coverage, newest bars and last closes, from page headers that match their checksums."""

from collections.abc import Sequence
from datetime import date
from functools import partial

import polars as pl
import structlog

from kaboom.bars.normalise import to_day
from kaboom.bars.pages.codec import PageColumns, decode_sound, page_keys
from kaboom.bars.pages.frames import keep_between, to_frame
from kaboom.bars.pages.newest import NEWEST, closes_before, newest_bars
from kaboom.bars.pages.read import newest_before
from kaboom.bars.pages.schema import keys_of, sum_words
from kaboom.bars.postgres.tables import BarTables, page_name
from kaboom.bars.store import COVERAGE_SCHEMA, count_sessions
from kaboom.drivers.postgres.blocking import Statements
from kaboom.market.bar import BAR_SCHEMA, BarSeries

_log = structlog.get_logger(__name__)

_DAY_S, _US = 86_400, 1_000_000
#: The columns of `COVERAGE_SCHEMA`, and their checksum.
_COVER = ("symbol", "bucket", "n", "first_ts", "last_ts", "flagged", "flags", "cover_sum")
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
    pages, columns = _decode_logged(series, rows)
    days = to_day(first) * _DAY_S, (to_day(last) + 1) * _DAY_S
    return count_sessions(to_frame([page[0] for page in pages], keep_between(columns, *days)))


def count_pages(sql: Statements, series: BarSeries, number: int, days: tuple[int, int]) -> pl.DataFrame:
    """Return the coverage of some days of minutes, in `COVERAGE_SCHEMA`, from the index alone."""
    text = sql.csv(_COVERED, (number, *days))
    if not text:
        return pl.DataFrame(schema=COVERAGE_SCHEMA)
    rows = pl.read_csv(text, has_header=False, schema=_COVER_SCHEMA)
    names = rows["symbol"].unique().sort()
    rank = rows["symbol"].cast(pl.Enum(names)).to_physical()
    keys = keys_of(names.to_list())[rank.to_numpy()]
    actual = pl.Series(sum_words(keys, [rows[name].to_numpy() for name in _COVER[1:-1]]), dtype=pl.Int64)
    is_sound = rows["cover_sum"] == actual
    if not is_sound.all():
        for symbol, bucket in rows.filter(~is_sound).select("symbol", "bucket").iter_rows():
            log_damage(series, symbol, bucket)
    held = rows.with_columns(rank=rank).filter(is_sound).sort("rank", "bucket").select(_COVER[:-1])
    held.columns = list(COVERAGE_SCHEMA)
    times = pl.col("first_at", "last_at") * _US
    return held.with_columns(times, pl.col("session").cast(pl.Int32)).cast(COVERAGE_SCHEMA)


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


def log_damage(series: BarSeries, symbol: str, bucket: int) -> None:
    """Log that the header of a page does not match its checksum."""
    _log.warning(
        "page_damaged", page=page_name(series, symbol, bucket), reason="its header does not match its checksum"
    )


def _read_page(
    sql: Statements, series: BarSeries, number: int, symbol: str, bucket: int, *, is_sound: bool = False
) -> PageColumns | None:
    if not is_sound:
        log_damage(series, symbol, bucket)
    rows = [(symbol, bucket, data) for (data,) in sql.rows(_BLOB, (number, bucket, symbol))]
    sound, columns = _decode_logged(series, rows)
    return columns if sound else None


def _decode_logged(
    series: BarSeries, rows: Sequence[tuple[str, int, bytes]]
) -> tuple[Sequence[tuple[str, int, bytes]], PageColumns]:
    """Return the pages that can be read, and their bars; log the others."""
    keys = page_keys([row[0] for row in rows], [row[1] for row in rows])
    columns, errors = decode_sound([row[2] for row in rows], keys, name_of=lambda i: page_name(series, *rows[i][:2]))
    for i, e in errors.items():
        _log.warning("page_damaged", page=page_name(series, *rows[i][:2]), reason=e.message)
    return [row for i, row in enumerate(rows) if i not in errors], columns
