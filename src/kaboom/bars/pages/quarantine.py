"""Rejected rows beside the pages, once per symbol, opened_at and reason. Errors are raised as StoreError."""

import sqlite3
from typing import Any

import polars as pl

from kaboom.bars.normalise import normalise_quarantine, place_numbers
from kaboom.bars.pages.files import ALL, UNDATED, PageFiles
from kaboom.bars.pages.frames import rows_to_frame
from kaboom.bars.pages.write import transaction
from kaboom.bars.store import QUARANTINE_SCHEMA
from kaboom.market.bar import BarSeries

_COLUMNS = ", ".join(QUARANTINE_SCHEMA)
_PLACE = {"file": "TEXT", "line": "INTEGER"}
_WIDTH = "SELECT count(*) FROM pragma_table_info('quarantine')"
_COUNT = "SELECT count(*) FROM quarantine"
_PUT = f"INSERT OR REPLACE INTO quarantine ({_COLUMNS}) VALUES ({', '.join('?' * len(QUARANTINE_SCHEMA))})"  # noqa: S608 (fixed names)
_GET = "SELECT {columns} FROM quarantine WHERE ? IS NULL OR symbol = ?"
_DELETE = "DELETE FROM quarantine WHERE symbol = ? AND opened_at = ? AND reason = ?"
#: A row without a time has `opened_at` below every time, by its file and line: a key cannot be NULL.
NO_TIME, EVERY_TIME = -(2**63), -(2**62)


def write_quarantine(files: PageFiles, series: BarSeries, rows: pl.DataFrame) -> int:
    """Keep rows in `QUARANTINE_SCHEMA`; return how many keys are new. A known key gets the new values."""
    rows = normalise_quarantine(rows)
    if rows.is_empty():
        return 0
    month = pl.lit(ALL)
    if series.interval.is_intraday:
        month = pl.col("opened_at").dt.strftime("%Y-%m").fill_null(UNDATED)
    stored = rows.with_columns(quarantine_stamps(rows))
    new = 0
    for (shard,), part in stored.group_by(rows.select(month.alias("shard"))["shard"]):
        file = files.open_or_create(files.path(series, str(shard)))
        with transaction(file) as sql:
            if not _has_place(sql):
                for name, kind in _PLACE.items():
                    sql.execute(f"ALTER TABLE quarantine ADD COLUMN {name} {kind}")
            (before,) = sql.execute(_COUNT).fetchone()
            sql.executemany(_PUT, part.select(list(QUARANTINE_SCHEMA)).rows())
            (after,) = sql.execute(_COUNT).fetchone()
        new += after - before
    return new


def release_quarantine(files: PageFiles, series: BarSeries, rows: pl.DataFrame) -> int:
    """Delete rows, by symbol, opened_at and reason; return how many there were."""
    keys = rows.with_columns(quarantine_stamps(rows)).select("symbol", "opened_at", "reason").rows()
    deleted = 0
    for shard in files.shards(series):
        with transaction(files.open_or_create(files.path(series, shard))) as sql:
            deleted += sql.executemany(_DELETE, keys).rowcount
    return deleted


def read_quarantine(files: PageFiles, series: BarSeries, *, symbol: str | None) -> pl.DataFrame:
    """Return rows in `QUARANTINE_SCHEMA`, sorted by symbol, opened_at and reason."""
    rows: list[Any] = []
    for shard in files.shards(series):
        with files.opened(series, shard) as file:
            if file:
                # Tables of an older Kaboom have no columns for the file and the line.
                columns = _COLUMNS if _has_place(file.sql) else _COLUMNS.replace("file, line", "NULL, NULL")
                rows += file.sql.execute(_GET.format(columns=columns), (symbol, symbol)).fetchall()
    at = pl.col("opened_at")
    return (
        rows_to_frame(rows, pl.Schema({**QUARANTINE_SCHEMA, "opened_at": pl.Int64()}))
        .with_columns(pl.when(at > EVERY_TIME).then(at).cast(QUARANTINE_SCHEMA["opened_at"]))
        .sort("symbol", "opened_at", "reason")
    )


def quarantine_stamps(rows: pl.DataFrame) -> pl.Series:
    """Return `opened_at` of rows as it is stored, in µs since 1970; a row without a time gets a number of its place."""
    return rows["opened_at"].to_physical().fill_null(place_numbers(rows) + NO_TIME)


def _has_place(sql: sqlite3.Connection) -> bool:
    (width,) = sql.execute(_WIDTH).fetchone()
    return bool(width == len(QUARANTINE_SCHEMA))
