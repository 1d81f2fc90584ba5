"""Rejected rows, once per symbol, opened_at and reason."""

import polars as pl

from kaboom.bars.normalise import normalise_quarantine
from kaboom.bars.pages.frames import rows_to_frame
from kaboom.bars.pages.quarantine import EVERY_TIME, quarantine_stamps
from kaboom.bars.postgres.tables import BarTables, note_write, writing
from kaboom.bars.store import QUARANTINE_SCHEMA
from kaboom.market.bar import BarSeries

_TYPES = {"symbol": "text", "opened_at": "bigint", "reason": "text", "file": "text", "line": "bigint"}
_COLUMNS = ", ".join(QUARANTINE_SCHEMA)
_ARRAYS = ", ".join(f"%b::{_TYPES.get(name, 'float8')}[]" for name in QUARANTINE_SCHEMA)
_KEY = ("symbol", "opened_at", "reason")
_NEW = ", ".join(f"{name} = excluded.{name}" for name in QUARANTINE_SCHEMA if name not in _KEY)
_PUT = f"""
INSERT INTO bar_quarantine (series, {_COLUMNS}) SELECT %b, u.* FROM unnest({_ARRAYS}) AS u
ON CONFLICT (series, symbol, opened_at, reason) DO UPDATE SET {_NEW} RETURNING (xmax = 0)
"""  # noqa: S608 (constants)
_DELETE = """
WITH old AS MATERIALIZED (
    SELECT q.series, q.symbol, q.opened_at, q.reason FROM bar_quarantine q
    JOIN unnest(%b::text[], %b::bigint[], %b::text[]) AS u (symbol, opened_at, reason)
    ON q.symbol = u.symbol AND q.opened_at = u.opened_at AND q.reason = u.reason
    WHERE q.series = %b ORDER BY q.symbol, q.opened_at, q.reason FOR UPDATE OF q
)
DELETE FROM bar_quarantine q USING old o
WHERE q.series = o.series AND q.symbol = o.symbol AND q.opened_at = o.opened_at AND q.reason = o.reason
"""
_GET = f"SELECT {_COLUMNS} FROM bar_quarantine WHERE series = %s AND (%s::text IS NULL OR symbol = %s)"  # noqa: S608 (constants)


def write_quarantine(tables: BarTables, series: BarSeries, rows: pl.DataFrame) -> int:
    """Keep rows in `QUARANTINE_SCHEMA`; return how many keys are new. A known key gets the new values."""
    number = tables.prepare(series)
    rows = normalise_quarantine(rows)
    if rows.is_empty():
        return 0
    stored = rows.with_columns(quarantine_stamps(rows)).sort(_KEY)
    with writing(tables) as sql:
        # A row that was not there before has no older version.
        note_write(sql, number)
        return sum(is_new for (is_new,) in sql.rows(_PUT, (number, *(stored[n].to_list() for n in QUARANTINE_SCHEMA))))


def release_quarantine(tables: BarTables, series: BarSeries, rows: pl.DataFrame) -> int:
    """Delete rows, by symbol, opened_at and reason; return how many there were."""
    keys = rows.with_columns(quarantine_stamps(rows)).select(_KEY).sort(_KEY)
    number = tables.prepare(series)
    with writing(tables) as sql:
        note_write(sql, number)
        return sql.run(_DELETE, (*(keys[name].to_list() for name in _KEY), number))


def read_quarantine(tables: BarTables, series: BarSeries, *, symbol: str | None) -> pl.DataFrame:
    """Return rows in `QUARANTINE_SCHEMA`, sorted by symbol, opened_at and reason."""
    with tables.database.reading() as sql:
        number = tables.find(sql, series)
        rows = [] if number is None else sql.rows(_GET, (number, symbol, symbol))
    at = pl.col("opened_at")
    return (
        rows_to_frame(rows, pl.Schema({**QUARANTINE_SCHEMA, "opened_at": pl.Int64()}))
        .with_columns(pl.when(at > EVERY_TIME).then(at).cast(QUARANTINE_SCHEMA["opened_at"]))
        .sort("symbol", "opened_at", "reason")
    )
