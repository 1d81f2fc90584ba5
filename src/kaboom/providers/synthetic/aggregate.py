"""Longer bars from minutes, and days straight from layer B."""

import numpy as np
import polars as pl

from kaboom.market.bar import VALUES
from kaboom.market.interval import Interval
from kaboom.market.lots import LOT
from kaboom.market.resample import roll_up
from kaboom.providers.synthetic.columns import BarColumns
from kaboom.providers.synthetic.daily import YearBlock

_US = 1_000_000
_EPOCH_DAY = 719163  # date(1970, 1, 1).toordinal()


def aggregate_minutes(minutes: BarColumns, interval: Interval) -> BarColumns:
    """Return longer intraday bars, aligned to the clock; `minutes` must be sorted by symbol, then time."""
    if interval is Interval.M1:
        return minutes
    opened_at = pl.Series(minutes.stamp * _US).cast(pl.Datetime("us"))
    values = {name: getattr(minutes, name) for name in VALUES}
    longer = roll_up(pl.DataFrame({"symbol": minutes.row, "opened_at": opened_at, **values}), interval)
    stamps = longer["opened_at"].to_physical().to_numpy() // _US
    return BarColumns(longer["symbol"].to_numpy(), stamps, *(longer[name].to_numpy() for name in VALUES))


def take_day(block: YearBlock, number: int) -> BarColumns:
    """Return the 1d bars of a session, by its number in the year; by symbol."""
    row = np.flatnonzero(block.lots[:, number])
    stamp = np.full(row.size, (block.sessions[number].toordinal() - _EPOCH_DAY) * 86400, dtype=np.int64)
    opened, high, low, close = (p[row, number] / 10 for p in (block.open, block.high, block.low, block.close))
    return BarColumns(row, stamp, opened, high, low, close, block.lots[row, number].astype(np.float64) * LOT)
