"""The shape of bars: polars frames with one row per bar, and the flags a bar can carry."""

from dataclasses import dataclass
from enum import IntFlag

import polars as pl

from batch.market.interval import Interval

#: Bars that passed the quality checks: what stores keep and give. Sorted by symbol, then opened_at; unique on both.
#: `opened_at` is the start of the bar, aware UTC; a daily bar is stamped 00:00 UTC of its session date.
BAR_SCHEMA = pl.Schema(
    {
        "symbol": pl.String(),
        "opened_at": pl.Datetime("us", "UTC"),
        "open": pl.Float64(),
        "high": pl.Float64(),
        "low": pl.Float64(),
        "close": pl.Float64(),
        "volume": pl.Int64(),
        "flags": pl.UInt16(),
    }
)

#: Bars as a provider gave them: unsorted, unchecked, nullable, volume still a float.
RAW_BAR_SCHEMA = pl.Schema(
    {
        "symbol": pl.String(),
        "opened_at": pl.Datetime("us", "UTC"),
        "open": pl.Float64(),
        "high": pl.Float64(),
        "low": pl.Float64(),
        "close": pl.Float64(),
        "volume": pl.Float64(),
    }
)


#: What a bar tells of its minute, or its day.
VALUES = ("open", "high", "low", "close", "volume")


class BarFlag(IntFlag):
    """What a soft quality rule saw in a bar that was stored all the same; the value is stored, so never renumber."""

    OFF_TICK = 1
    LIMIT_BREACH = 2
    SPLIT_SUSPECT = 4
    STALE = 8
    JUMP = 16
    DUPLICATE = 32
    THIN = 64
    AUCTION_MISSING = 128
    CORRECTED = 256
    GAP = 512
    DAY_DIFFERS = 1024


@dataclass(frozen=True, slots=True)
class BarSeries:
    """The namespace of bars: who gave them and how long each is. Two sources never share one."""

    source: str
    interval: Interval


def empty_bars() -> pl.DataFrame:
    """Return a frame of no bars in `BAR_SCHEMA`."""
    return pl.DataFrame(schema=BAR_SCHEMA)
