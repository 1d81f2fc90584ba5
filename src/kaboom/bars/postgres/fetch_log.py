"""The fetch log: runs of equal answers of a provider."""

from datetime import date

import polars as pl

from kaboom.bars.coverage.fetch_log import RUN_SCHEMA, from_runs, to_runs
from kaboom.bars.normalise import to_day
from kaboom.bars.postgres.tables import BarTables, note_write, writing
from kaboom.bars.store import FETCH_LOG_SCHEMA
from kaboom.market.bar import BarSeries

_DAYS = 31
#: A run within the new one is older. Rows are locked in one order, so that two writers do not wait in a circle.
_DROP = """
WITH old AS MATERIALIZED (
    SELECT f.series, f.last, f.symbol, f.first FROM bar_fetch f
    JOIN unnest(%b::text[], %b::int[], %b::int[]) AS u (symbol, first, last)
    ON f.symbol = u.symbol AND f.last BETWEEN u.first AND u.last AND f.first >= u.first
    WHERE f.series = %b ORDER BY f.symbol, f.last, f.first FOR UPDATE OF f
)
DELETE FROM bar_fetch f USING old o
WHERE f.series = o.series AND f.last = o.last AND f.symbol = o.symbol AND f.first = o.first
"""
_PUT = """
INSERT INTO bar_fetch (series, symbol, first, last, bars, at)
SELECT %b, u.* FROM unnest(%b::text[], %b::int[], %b::int[], %b::bigint[], %b::bigint[]) AS u
ON CONFLICT (series, last, symbol, first) DO UPDATE SET bars = excluded.bars, at = excluded.at
"""
_GET = """
SELECT symbol, first, last, bars, at FROM bar_fetch
WHERE series = %s AND last BETWEEN %s AND %s AND first <= %s ORDER BY last - first DESC
"""
_LAST_DAY = 2**31 - 1
_COLUMNS = pl.Schema({**dict.fromkeys(RUN_SCHEMA, pl.Int64()), "symbol": pl.String()})


def save_fetch_log(tables: BarTables, series: BarSeries, fetches: pl.DataFrame) -> None:
    """Keep entries in `FETCH_LOG_SCHEMA`, those of minutes month by month."""
    month = pl.col("session").dt.strftime("%Y-%m") if series.interval.is_intraday else pl.lit("all")
    parts = fetches.with_columns(month=month).sort("month").partition_by("month", include_key=False)
    if not parts:
        return
    number = tables.prepare(series)
    # As in the page files: lost entries only cost another fetch.
    with writing(tables, is_synced=False) as sql:
        # Two writers at once take the same order.
        for runs in map(to_runs, parts):
            ordered = runs.unique(["symbol", "first", "last"], keep="last").sort("symbol", "last", "first")
            columns = [ordered[name].to_physical().to_list() for name in RUN_SCHEMA]
            sql.run(_DROP, (*columns[:3], number))
            sql.run(_PUT, (number, *columns))
        note_write(sql, number)


def load_fetch_log(tables: BarTables, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
    """Return the newest entry of each symbol and session in `FETCH_LOG_SCHEMA`, sorted by both."""
    if first > last:
        return pl.DataFrame(schema=FETCH_LOG_SCHEMA)
    days = to_day(first), to_day(last)
    # A run of minutes is within a month.
    newest = days[1] + _DAYS if series.interval.is_intraday else _LAST_DAY
    with tables.database.reading() as sql:
        number = tables.find(sql, series)
        text = b"" if number is None else sql.csv(_GET, (number, days[0], newest, days[1]))
    if not text:
        return pl.DataFrame(schema=FETCH_LOG_SCHEMA)
    rows = pl.read_csv(text, has_header=False, schema=_COLUMNS)
    runs = rows.with_columns(pl.col("first", "last").cast(pl.Int32)).cast(RUN_SCHEMA)
    return from_runs(runs, first=first, last=last)
