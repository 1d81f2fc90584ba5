"""Coverage, counted from the bars themselves."""

import polars as pl

from kaboom.bars.store import COVERAGE_SCHEMA


def count_sessions(bars: pl.DataFrame) -> pl.DataFrame:
    """Return how many bars each symbol has in each session, in `COVERAGE_SCHEMA`.

    A session is the UTC date of `opened_at`, which is also the date in Japan: the TSE trades from 00:00 to 06:30 UTC.
    """
    counted = bars.group_by("symbol", pl.col("opened_at").dt.date().alias("session")).agg(
        pl.len().cast(pl.Int64).alias("bars"),
        pl.col("opened_at").min().alias("first_at"),
        pl.col("opened_at").max().alias("last_at"),
        (pl.col("flags") != 0).sum().cast(pl.Int64).alias("flagged"),
        pl.col("flags").bitwise_or().cast(pl.UInt16).alias("flags"),
    )
    return counted.select(list(COVERAGE_SCHEMA)).sort("symbol", "session")
