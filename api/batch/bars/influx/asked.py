"""What providers answered, as points beside the bars: InfluxDB does not tell when a point was written."""

from datetime import date
from functools import partial

import polars as pl

from batch.bars.coverage.asked import newest_asked
from batch.bars.influx.deliver import Cargo, Delivery
from batch.bars.influx.lines import asked_lines
from batch.bars.influx.ql import day_seconds
from batch.bars.influx.reads import InfluxReads
from batch.bars.influx.target import Precision
from batch.bars.store import ASKED_SCHEMA
from batch.market.bar import BarSeries

_TIME = ASKED_SCHEMA["asked_at"]


async def save_asked(delivery: Delivery, bucket: str, series: BarSeries, asked: pl.DataFrame) -> None:
    """Keep answers in `ASKED_SCHEMA`; one that the server refuses, as beyond its retention, is asked for again.

    Raises:
        StoreError: not everything was answered for.

    """
    if asked.is_empty():
        return

    async def find_missing(rows: pl.DataFrame) -> pl.DataFrame:
        days = sorted(rows["session"].unique())
        held = await load_asked(delivery.reads, bucket, series, (days[0], days[-1]))
        return rows.join(held, on=list(ASKED_SCHEMA), how="anti", maintain_order="left")

    await delivery.deliver(Cargo(bucket, Precision.SECOND, partial(asked_lines, series), find_missing), asked)


async def load_asked(reads: InfluxReads, bucket: str, series: BarSeries, days: tuple[date, date]) -> pl.DataFrame:
    """Return the newest answer on each symbol and session from the first to the last day, in `ASKED_SCHEMA`.

    Raises:
        StoreError: the server refused or did not answer.

    """
    between = day_seconds(*days)
    if between[0] >= between[1]:
        return pl.DataFrame(schema=ASKED_SCHEMA)
    answers = (await reads.asked(bucket, series, between)).select(
        "symbol",
        pl.col("time").cast(_TIME).dt.date().alias("session"),
        "bars",
        pl.col("at").cast(_TIME).alias("asked_at"),
    )
    return newest_asked(answers)
