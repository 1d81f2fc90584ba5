"""The fetch log as points beside the bars, since InfluxDB does not keep when a point was written."""

from datetime import date
from functools import partial

import polars as pl

from kaboom.bars.coverage.fetch_log import newest_fetches
from kaboom.bars.influx.line_writer import LineWriter, WriteSpec
from kaboom.bars.influx.lines import fetch_log_lines
from kaboom.bars.influx.ql import day_seconds
from kaboom.bars.influx.reads import InfluxReads
from kaboom.bars.influx.target import Precision
from kaboom.bars.store import FETCH_LOG_SCHEMA
from kaboom.market.bar import BarSeries

_TIME = FETCH_LOG_SCHEMA["asked_at"]


async def save_fetch_log(writer: LineWriter, bucket: str, series: BarSeries, fetches: pl.DataFrame) -> None:
    """Save entries in `FETCH_LOG_SCHEMA`; a refused entry, such as one beyond the retention, is fetched again."""
    if fetches.is_empty():
        return

    async def read_held(rows: pl.DataFrame) -> pl.DataFrame:
        days = sorted(rows["session"].unique())
        return await load_fetch_log(writer.reads, bucket, series, (days[0], days[-1]))

    spec = WriteSpec(bucket, Precision.SECOND, partial(fetch_log_lines, series), read_held, list(FETCH_LOG_SCHEMA))
    await writer.write(spec, fetches)


async def load_fetch_log(reads: InfluxReads, bucket: str, series: BarSeries, days: tuple[date, date]) -> pl.DataFrame:
    """Return the newest entry of each symbol and session from the first to the last day, in `FETCH_LOG_SCHEMA`."""
    between = day_seconds(*days)
    if between[0] >= between[1]:
        return pl.DataFrame(schema=FETCH_LOG_SCHEMA)
    fetches = (await reads.fetch_log(bucket, series, between)).select(
        "symbol",
        pl.col("time").cast(_TIME).dt.date().alias("session"),
        "bars",
        pl.col("at").cast(_TIME).alias("asked_at"),
    )
    return newest_fetches(fetches)
