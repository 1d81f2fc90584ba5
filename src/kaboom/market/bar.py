"""Bars as polars frames with one row per bar, and their flags."""

from dataclasses import dataclass
from enum import IntFlag

import polars as pl

from kaboom.market.interval import Interval

#: Bars as a provider returned them: unsorted, unchecked, nullable, with a float as volume.
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

#: Bars that passed the quality checks, as stores return them. Sorted by symbol, then opened_at; unique on both.
#: `opened_at` is the start of the bar, aware UTC; a daily bar is stamped 00:00 UTC of its session date.
BAR_SCHEMA = pl.Schema({**RAW_BAR_SCHEMA, "volume": pl.Int64(), "flags": pl.UInt16()})

#: Where a provider that reads files found a row: two more columns of its rows. `file` is the path below the folder.
PLACE_SCHEMA = pl.Schema({"file": pl.String(), "line": pl.Int64()})

#: The values of a bar.
PRICES = ("open", "high", "low", "close")
VALUES = (*PRICES, "volume")


class BarFlag(IntFlag):
    """Oddities that soft quality rules found in stored bars; the numbers are stored, so never change them."""

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
    SPIKE = 2048
    NO_VOLUME = 4096
    VOLUME_JUMP = 8192


@dataclass(frozen=True, slots=True)
class BarSeries:
    """The source and the interval of bars. Bars of different sources are never mixed."""

    source: str
    interval: Interval


def empty_bars() -> pl.DataFrame:
    """Return a frame of no bars in `BAR_SCHEMA`."""
    return pl.DataFrame(schema=BAR_SCHEMA)
