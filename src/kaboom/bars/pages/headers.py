"""Coverage, newest bars and last closes, read from page headers that match their checksums."""

import json
import sqlite3
from collections.abc import Collection, Sequence
from datetime import date
from functools import partial
from typing import Any

import polars as pl

from kaboom.bars.normalise import to_day
from kaboom.bars.pages.codec import PageColumns
from kaboom.bars.pages.files import ALL, PageFile, PageFiles, has_sums, page_name
from kaboom.bars.pages.frames import keep_between, to_frame
from kaboom.bars.pages.newest import NEWEST, HeaderRow, closes_before, newest_bars
from kaboom.bars.pages.read import dated_shards, newest_before, shards_between, within_month
from kaboom.bars.pages.schema import SID_BITS
from kaboom.bars.pages.sound import COVER, decode_logged, drop_damaged, log_damage, to_coverage
from kaboom.bars.store import COVERAGE_SCHEMA, count_sessions
from kaboom.market.bar import BAR_SCHEMA, BarSeries

_DAY_S = 86_400
#: The columns of the index, which are those of `COVERAGE_SCHEMA`, and their checksum.
_COVER = ("sid", *COVER)
_SUMS = ("cover_sum",)
_COVERED = "page INDEXED BY cov WHERE bucket BETWEEN ? AND ?"
_BLOBS = """
SELECT s.symbol, p.bucket, CAST(p.data AS BLOB) FROM sym s JOIN page p INDEXED BY cov ON p.sid = s.id
WHERE p.bucket BETWEEN ? AND ?
"""
_SYMBOLS = "SELECT id, symbol FROM sym"
_KNOWN = pl.Schema({"sid": pl.Int64(), "name": pl.String()})
#: A damaged value is cast to its type: its checksum finds it.
_VALUES = ", ".join(f"CAST(p.{name} AS {'REAL' if name in 'ohlc' else 'INTEGER'})" for name in NEWEST)
_NEWEST = f"""
WITH newest AS MATERIALIZED (
    SELECT s.symbol, s.id AS sid, (
        SELECT q.bucket FROM page q INDEXED BY cov WHERE q.sid = s.id ORDER BY q.bucket DESC LIMIT 1
    ) AS bucket FROM json_each(?) wanted JOIN sym s ON s.symbol = wanted.value
)
SELECT n.symbol, n.bucket, {_VALUES}, {{newest_sum}}
FROM newest n LEFT JOIN page p ON p.id = n.bucket << {SID_BITS} | n.sid WHERE n.bucket IS NOT NULL
"""  # noqa: S608 (constants)
_CLOSES = f"""
SELECT s.symbol, p.bucket, {_VALUES}, {{newest_sum}} FROM sym s JOIN page p INDEXED BY cov ON p.sid = s.id
WHERE s.symbol = ? AND p.bucket <= ? ORDER BY p.bucket DESC LIMIT 2
"""  # noqa: S608 (constants)
_BLOB = f"""
SELECT CAST(data AS BLOB) FROM page WHERE id = ? << {SID_BITS} | (SELECT id FROM sym WHERE symbol = ?)
"""  # noqa: S608 (a constant)


def coverage(files: PageFiles, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
    """Return the coverage from `first` to `last` inclusive, in `COVERAGE_SCHEMA`.

    Intraday bars need only the index. A page of daily bars holds a year, so its blob is read; a damaged one counts as
    not held, and is logged.
    """
    if first > last:
        return pl.DataFrame(schema=COVERAGE_SCHEMA)
    if not series.interval.is_intraday:
        return _daily_coverage(files, series, first=first, last=last)
    days = to_day(first), to_day(last)
    held = [_cover_shard(files, series, shard, days) for shard in shards_between(files, series, *days)]
    both = pl.concat([pl.DataFrame(schema=COVERAGE_SCHEMA), *held])
    return sort_by_symbol(both) if len(held) > 1 else both


def _cover_shard(files: PageFiles, series: BarSeries, shard: str, between: tuple[int, int]) -> pl.DataFrame:
    with files.opened(series, shard) as file:
        if file is None:
            return pl.DataFrame(schema=COVERAGE_SCHEMA)
        days = within_month(shard, between)
        return file.remember("coverage", days, lambda: count_pages(file, days))


def count_pages(file: PageFile, days: tuple[int, int]) -> pl.DataFrame:
    """Return the coverage of some buckets in a file of intraday bars, in `COVERAGE_SCHEMA`, from its index alone.

    A page whose entry does not match its checksum counts as not held, and is logged.
    """
    sums = _SUMS if has_sums(file.sql) else ()
    ranked, names = rank_symbols(file.sql, read_columns(file.sql, _COVER, _COVERED, days, optional=sums))
    sound = drop_damaged(ranked, names, partial(page_name, file.path)) if sums else ranked
    return to_coverage(sound, names)


def _rows(files: PageFiles, series: BarSeries, shard: str, *, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
    with files.opened(series, shard) as file:
        return file.sql.execute(sql, values).fetchall() if file else []


def _daily_coverage(files: PageFiles, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
    rows = _rows(files, series, ALL, sql=_BLOBS, values=(first.year, last.year))
    sound, columns = decode_logged(rows, partial(page_name, files.path(series, ALL)))
    if not sound:
        return pl.DataFrame(schema=COVERAGE_SCHEMA)
    kept = keep_between(columns, to_day(first) * _DAY_S, (to_day(last) + 1) * _DAY_S)
    return count_sessions(to_frame([page[0] for page in sound], kept))


def read_columns(
    sql: sqlite3.Connection,
    columns: Sequence[str],
    rest: str,
    values: Sequence[int] = (),
    *,
    optional: Sequence[str] = (),
) -> pl.DataFrame:
    """Return columns of integers as Int64, the `optional` ones with nulls; `rest` is the query after `FROM`.

    A damaged value that is no integer becomes some integer, which a checksum finds. SQLite joins them to one text in C,
    without the GIL, and polars reads it: a quarter of the time of a tuple for each row, and the event loop does not
    wait meanwhile.
    """
    numbers = {name: f"CAST({name} AS INTEGER)" for name in (*columns, *optional)}
    numbers |= {name: f"ifnull({numbers[name]}, '')" for name in optional}
    line = " || ',' || ".join(numbers.values())
    (text,) = sql.execute(f"SELECT group_concat({line}, char(10)) FROM {rest}", values).fetchone()  # noqa: S608  constants
    schema = pl.Schema(dict.fromkeys(numbers, pl.Int64()))
    return pl.read_csv(text.encode(), has_header=False, schema=schema) if text else pl.DataFrame(schema=schema)


def rank_symbols(sql: sqlite3.Connection, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Return rows with a `symbol` in place of `sid` that is its rank, and the names by rank.

    Numbers are sorted and joined in a third of the time of names; `name_symbols` ends it.
    """
    known = pl.DataFrame(sql.execute(_SYMBOLS).fetchall(), schema=_KNOWN, orient="row").sort("name")
    ranked = rows.join(known.select("sid", symbol=pl.int_range(pl.len(), dtype=pl.UInt32)), on="sid")
    return ranked.select("symbol", pl.exclude("sid", "symbol")), known["name"]


def sort_by_symbol(both: pl.DataFrame) -> pl.DataFrame:
    """Return rows of several files, oldest first and each sorted, by symbol; numbers sort in half the time of names."""
    rank = pl.col("symbol").cast(pl.Enum(both["symbol"].unique().sort())).to_physical()
    return both.with_columns(rank=rank).sort("rank", maintain_order=True).drop("rank")


def latest(files: PageFiles, series: BarSeries, *, symbols: Sequence[str] = ()) -> pl.DataFrame:
    """Return the newest bar of every symbol, or of those named, in `BAR_SCHEMA`; reads no blob of a sound header.

    Starts with the newest file and looks in older ones for the symbols not found yet. If symbols are named, it ends
    when all are found; otherwise it opens every file, since each may have other symbols. A symbol whose newest page is
    damaged is left out and logged.
    """
    parts, found = [pl.DataFrame(schema=BAR_SCHEMA)], set[str]()
    for shard in reversed(dated_shards(files, series)):
        if symbols and found >= set(symbols):
            break
        with files.opened(series, shard) as file:
            if file is not None:
                known = {symbol for (symbol,) in file.sql.execute("SELECT symbol FROM sym")}
                rows = _find_newest(file, (known & set(symbols) if symbols else known) - found)
                parts.append(newest_bars(rows, partial(_read_page, file)))
                found |= {row[0] for row in rows}
    return pl.concat(parts).sort("symbol")


def last_closes(files: PageFiles, series: BarSeries, *, symbols: Sequence[str], before: date) -> dict[str, float]:
    """Return each symbol's last close in a session before `before`.

    Reads headers, and a blob only for daily bars of the year of `before`. A symbol whose page is damaged is left out
    and logged.
    """
    newest, before_s = newest_before(series.interval, before), to_day(before) * _DAY_S
    found: dict[str, float | None] = {}
    for shard in reversed(shards_between(files, series, to_day(date(1900, 1, 1)), newest)):
        with files.opened(series, shard) as file:
            if file is not None:
                sql = _CLOSES.format(newest_sum=_newest_sum(file))
                wanted = set(symbols) - found.keys()
                rows = [row for symbol in wanted for row in file.sql.execute(sql, (symbol, newest))]
                found |= closes_before(rows, before_s, partial(_read_page, file))
        if len(found) == len(symbols):
            break
    return {symbol: close for symbol, close in found.items() if close is not None}


def _find_newest(file: PageFile, symbols: Collection[str]) -> list[HeaderRow]:
    """Return the newest bar of each symbol that has a page, with its checksum; NULLs if the page cannot be found."""
    sql = _NEWEST.format(newest_sum=_newest_sum(file))
    return file.sql.execute(sql, (json.dumps(list(symbols)),)).fetchall() if symbols else []


def _newest_sum(file: PageFile) -> str:
    return "CAST(p.newest_sum AS INTEGER)" if has_sums(file.sql) else "NULL"


def _read_page(file: PageFile, symbol: str, bucket: int, *, is_sound: bool = False) -> PageColumns | None:
    """Return the bars of a page, whose header may be damaged; None if the page is damaged, too."""
    if not is_sound:
        log_damage(page_name(file.path, symbol, bucket))
    row = file.sql.execute(_BLOB, (bucket, symbol)).fetchone()
    sound, columns = decode_logged([(symbol, bucket, row[0] if row else b"")], partial(page_name, file.path))
    return columns if sound else None
