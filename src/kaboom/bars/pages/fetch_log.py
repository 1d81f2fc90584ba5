"""The fetch log beside the pages: runs of sessions by symbol. Errors are raised as StoreError."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import polars as pl

from kaboom.bars.coverage.fetch_log import RUN_SCHEMA, from_runs, to_runs
from kaboom.bars.folder.connection import has_table
from kaboom.bars.folder.errors import store_errors
from kaboom.bars.normalise import to_day, to_session
from kaboom.bars.pages.columns import name_symbols, rank_symbols, read_columns, sort_by_symbol
from kaboom.bars.pages.files import ALL, PageFile, PageFiles
from kaboom.bars.pages.read import shards_between, within_month
from kaboom.bars.pages.schema import CREATE_FETCH_LOG
from kaboom.bars.pages.write import give_sids, transaction
from kaboom.bars.store import FETCH_LOG_SCHEMA
from kaboom.market.bar import BarSeries

# A run within the new one is older.
_DROP = "DELETE FROM asked WHERE sid = ? AND first >= ? AND last <= ?"
_PUT = "INSERT INTO asked (sid, first, last, bars, at) VALUES (?, ?, ?, ?, ?)"
#: The columns of `RUN_SCHEMA`, and which rows have a day of a range.
_GET = ("sid", "first", "last", "bars", "at")
_WITHIN = "asked WHERE first <= ? AND last >= ?"


def save_fetch_log(files: PageFiles, series: BarSeries, fetches: pl.DataFrame) -> None:
    """Keep entries in `FETCH_LOG_SCHEMA`, each in the file of its month."""
    month = pl.col("session").dt.strftime("%Y-%m") if series.interval.is_intraday else pl.lit(ALL)
    parts = fetches.with_columns(shard=month).partition_by("shard", include_key=False, as_dict=True)
    for (shard,), part in parts.items():
        runs = to_runs(part)
        file = files.open_or_create(files.path(series, shard))
        with _without_sync(file), transaction(file) as sql:
            _put(file, sql, runs)


def load_fetch_log(files: PageFiles, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
    """Return the newest entry of each symbol and session in `FETCH_LOG_SCHEMA`."""
    if first > last:
        return pl.DataFrame(schema=FETCH_LOG_SCHEMA)
    days = to_day(first), to_day(last)
    shards = shards_between(files, series, *days)
    found = [_load(files, series, shard, within_month(shard, days)) for shard in shards]
    both = pl.concat([pl.DataFrame(schema=FETCH_LOG_SCHEMA), *found])
    return sort_by_symbol(both) if len(found) > 1 else both


def _load(files: PageFiles, series: BarSeries, shard: str, days: tuple[int, int]) -> pl.DataFrame:
    with files.opened(series, shard) as file:
        # Files of older versions have no log until its first entry.
        if file is None or not has_table(file.sql, "asked"):
            return pl.DataFrame(schema=FETCH_LOG_SCHEMA)
        return file.remember("asked", days, lambda: _load_days(file.sql, days))


def _load_days(sql: sqlite3.Connection, days: tuple[int, int]) -> pl.DataFrame:
    ranked, names = rank_symbols(sql, read_columns(sql, _GET, _WITHIN, days[::-1]))
    ranked.columns = list(RUN_SCHEMA)
    runs = ranked.with_columns(pl.col("first", "last").cast(pl.Int32)).cast(
        pl.Schema({**RUN_SCHEMA, "symbol": pl.UInt32()})
    )
    return name_symbols(from_runs(runs, first=to_session(days[0]), last=to_session(days[1])), names)


def _put(file: PageFile, sql: sqlite3.Connection, runs: pl.DataFrame) -> None:
    sql.execute(CREATE_FETCH_LOG)
    sids = give_sids(file, runs["symbol"].to_list())
    first, last, bars, at = (runs[name].to_physical().to_list() for name in ("first", "last", "bars", "asked_at"))
    sql.executemany(_DROP, zip(sids, first, last, strict=True))
    sql.executemany(_PUT, zip(sids, first, last, bars, at, strict=True))


@contextmanager
def _without_sync(file: PageFile) -> Iterator[None]:
    """Commit without waiting for the disk: entries lost in a power cut only cost another request."""
    with store_errors(file.path):
        file.sql.execute("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            file.sql.execute("PRAGMA synchronous = FULL")
