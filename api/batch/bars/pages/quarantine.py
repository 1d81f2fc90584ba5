"""The refused rows beside the pages: kept once per symbol, opened_at and reason."""

from typing import Any

import polars as pl

from batch.bars.folder.errors import store_errors
from batch.bars.normal import normalise_quarantine
from batch.bars.pages.files import ALL, UNDATED, PageFiles
from batch.bars.pages.write import transaction
from batch.bars.store import QUARANTINE_SCHEMA
from batch.market.bar import BarSeries

_COLUMNS = ", ".join(QUARANTINE_SCHEMA)
_COUNT = "SELECT count(*) FROM quarantine"
_PUT = f"INSERT OR REPLACE INTO quarantine ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 (fixed names)
_GET = f"SELECT {_COLUMNS} FROM quarantine WHERE ? IS NULL OR symbol = ?"  # noqa: S608 (fixed names)
#: `opened_at` of a row that has none: a key cannot be NULL.
_NO_TIME = -(2**63)


def write_quarantine(files: PageFiles, series: BarSeries, rows: pl.DataFrame) -> int:
    """Keep refused rows in `QUARANTINE_SCHEMA`; return how many keys are new, known ones take new values.

    Raises:
        StoreError: not everything was stored.

    """
    rows = normalise_quarantine(rows)
    if rows.is_empty():
        return 0
    month = pl.lit(ALL)
    if series.interval.is_intraday:
        month = pl.col("opened_at").dt.strftime("%Y-%m").fill_null(UNDATED)
    stored = rows.with_columns(pl.col("opened_at").to_physical().fill_null(_NO_TIME))
    new = 0
    for (shard,), part in stored.group_by(rows.select(month.alias("shard"))["shard"]):
        file = files.open_or_create(files.path(series, str(shard)))
        with transaction(file) as sql:
            (before,) = sql.execute(_COUNT).fetchone()
            sql.executemany(_PUT, part.select(list(QUARANTINE_SCHEMA)).rows())
            (after,) = sql.execute(_COUNT).fetchone()
        new += after - before
    return new


def read_quarantine(files: PageFiles, series: BarSeries, *, symbol: str | None) -> pl.DataFrame:
    """Return refused rows in `QUARANTINE_SCHEMA`, sorted by symbol, opened_at and reason.

    Raises:
        StoreError: a file cannot be read.

    """
    rows: list[Any] = []
    for shard in files.shards(series):
        path = files.path(series, shard)
        with store_errors(path):
            file = files.open(path)
            rows += file.sql.execute(_GET, (symbol, symbol)).fetchall() if file else []
    return (
        pl.DataFrame(rows, schema={**QUARANTINE_SCHEMA, "opened_at": pl.Int64()}, orient="row")
        .with_columns(
            pl.when(pl.col("opened_at") != _NO_TIME).then(pl.col("opened_at")).cast(QUARANTINE_SCHEMA["opened_at"])
        )
        .sort("symbol", "opened_at", "reason")
    )
