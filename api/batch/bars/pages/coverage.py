"""Newest bars, last closes and coverage, read from page headers. Errors are raised as StoreError."""

import json
import sqlite3
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import structlog

from batch.bars.coverage.count import count_sessions
from batch.bars.normalise import to_day
from batch.bars.pages.codec import PageColumns, decode_sound
from batch.bars.pages.columns import name_symbols, rank_symbols, read_columns, sort_by_symbol
from batch.bars.pages.files import ALL, PageFile, PageFiles, page_name
from batch.bars.pages.frames import keep_between, rows_to_frame, to_frame
from batch.bars.pages.read import bucket_of, dated_shards, shards_between, within_month
from batch.bars.pages.schema import SID_BITS
from batch.bars.store import COVERAGE_SCHEMA
from batch.market.bar import BAR_SCHEMA, BarSeries

_log = structlog.get_logger(__name__)

_US = 1_000_000
_DAY_S = 86_400
_NEWEST = f"""
SELECT s.symbol, p.last_ts, p.o, p.h, p.l, p.c, p.v, p.last_flags
FROM json_each(?) wanted JOIN sym s ON s.symbol = wanted.value JOIN page p ON p.id = (
    SELECT q.bucket << {SID_BITS} | s.id FROM page q INDEXED BY cov
    WHERE q.sid = s.id ORDER BY q.bucket DESC LIMIT 1
)
"""  # noqa: S608 (a constant)
_CLOSES = """
SELECT p.bucket, p.last_ts, p.c, p.id FROM sym s JOIN page p INDEXED BY cov ON p.sid = s.id
WHERE s.symbol = ? AND p.bucket <= ? ORDER BY p.bucket DESC LIMIT 2
"""
#: The columns of the index, which are those of `COVERAGE_SCHEMA`.
_COVER = ("sid", "bucket", "n", "first_ts", "last_ts", "flagged", "flags")
_COVERED = "page INDEXED BY cov WHERE bucket BETWEEN ? AND ?"
#: Its file, symbol, bucket and blob.
type _Page = tuple[Path, str, int, bytes]
_BLOBS = """
SELECT s.symbol, p.bucket, p.data FROM sym s JOIN page p INDEXED BY cov ON p.sid = s.id
WHERE p.bucket BETWEEN ? AND ?
"""


def latest(files: PageFiles, series: BarSeries, *, symbols: Sequence[str] = ()) -> pl.DataFrame:
    """Return the newest bar of every symbol, or of those named, in `BAR_SCHEMA`; reads no blob.

    Starts with the newest file and looks in older ones for the symbols not found yet. If symbols are named, it ends
    when all are found; otherwise it opens every file, since each may have other symbols.
    """
    found: dict[str, tuple[Any, ...]] = {}
    for shard in reversed(dated_shards(files, series)):
        if symbols and found.keys() >= set(symbols):
            break
        known = {symbol for (symbol,) in _rows(files, series, shard, sql="SELECT symbol FROM sym")}
        wanted = (known & set(symbols) if symbols else known) - found.keys()
        if wanted:
            values = (json.dumps(list(wanted)),)
            found |= {row[0]: row for row in _rows(files, series, shard, sql=_NEWEST, values=values)}
    rows = [found[symbol] for symbol in sorted(found)]
    bars = rows_to_frame(rows, pl.Schema({**BAR_SCHEMA, "opened_at": pl.Int64()}))
    return bars.with_columns((pl.col("opened_at") * _US).cast(BAR_SCHEMA["opened_at"]))


def last_closes(files: PageFiles, series: BarSeries, *, symbols: Sequence[str], before: date) -> dict[str, float]:
    """Return each symbol's last close in a session before `before`.

    Reads headers, and a blob only for daily bars of the year of `before`. A symbol whose page is damaged is left out
    and logged.
    """
    newest, before_s = bucket_of(series.interval, before), to_day(before) * _DAY_S
    closes: dict[str, float] = {}
    for shard in reversed(shards_between(files, series, to_day(date(1900, 1, 1)), newest)):
        with files.opened(series, shard) as file:
            if file is not None:
                wanted = set(symbols) - closes.keys()
                found = {s: _close_before(file, s, newest=newest, before_s=before_s) for s in wanted}
                closes |= {symbol: close for symbol, close in found.items() if close is not None}
        if len(closes) == len(symbols):
            break
    return closes


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
        return file.remember("coverage", days, lambda: count_pages(file.sql, days))


def count_pages(sql: sqlite3.Connection, days: tuple[int, int]) -> pl.DataFrame:
    """Return the coverage of some buckets in a file of intraday bars, in `COVERAGE_SCHEMA`, from its index alone."""
    ranked, names = rank_symbols(sql, read_columns(sql, _COVER, _COVERED, days))
    held = name_symbols(ranked.sort("symbol", "bucket"), names)
    held.columns = list(COVERAGE_SCHEMA)
    times = pl.col("first_at", "last_at") * _US
    return held.with_columns(times, pl.col("session").cast(pl.Int32)).cast(COVERAGE_SCHEMA)


def _rows(files: PageFiles, series: BarSeries, shard: str, *, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
    with files.opened(series, shard) as file:
        return file.sql.execute(sql, values).fetchall() if file else []


def _close_before(file: PageFile, symbol: str, *, newest: int, before_s: int) -> float | None:
    for bucket, last_ts, close, page in file.sql.execute(_CLOSES, (symbol, newest)).fetchall():
        if last_ts < before_s:
            return float(close)
        (blob,) = file.sql.execute("SELECT data FROM page WHERE id = ?", (page,)).fetchone()
        kept = _decode_sound([(file.path, symbol, bucket, blob)])[1]
        columns = keep_between(kept, -(2**62), before_s)
        if len(columns.seconds):
            return float(columns.prices[3][-1])
    return None


def _daily_coverage(files: PageFiles, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
    rows = _rows(files, series, ALL, sql=_BLOBS, values=(first.year, last.year))
    sound, columns = _decode_sound([(files.path(series, ALL), *row) for row in rows])
    if not sound:
        return pl.DataFrame(schema=COVERAGE_SCHEMA)
    kept = keep_between(columns, to_day(first) * _DAY_S, (to_day(last) + 1) * _DAY_S)
    return count_sessions(to_frame([page[1] for page in sound], kept))


def _decode_sound(pages: Sequence[_Page]) -> tuple[Sequence[_Page], PageColumns]:
    """Return the pages that can be read, and their bars; log the others."""
    columns, errors = decode_sound([page[3] for page in pages], lambda i: page_name(*pages[i][:3]))
    for i, e in errors.items():
        _log.warning("page_damaged", page=page_name(*pages[i][:3]), reason=e.message)
    return [page for i, page in enumerate(pages) if i not in errors], columns
