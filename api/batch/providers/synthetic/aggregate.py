"""Longer bars from minutes, and days straight from layer B."""

import numpy as np
import polars as pl

from batch.market.bar import VALUES
from batch.market.interval import Interval
from batch.market.lots import LOT
from batch.market.resample import roll_up
from batch.providers.synthetic.columns import BarColumns
from batch.providers.synthetic.daily import YearBlock
from batch.providers.synthetic.rng import Floats

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


def take_days(block: YearBlock, first: int, last: int) -> BarColumns:
    """Return the 1d bars of sessions number `first` to `last`, both inclusive, by symbol, then time."""
    part = slice(first, last + 1)
    row, number = np.nonzero(block.lots[:, part])
    days = np.array([day.toordinal() - _EPOCH_DAY for day in block.sessions[part]], dtype=np.int64)

    def yen(name: str) -> Floats:
        return np.asarray(getattr(block, name)[:, part][row, number] / 10, dtype=np.float64)

    return BarColumns(
        row=row,
        stamp=days[number] * 86400,
        open=yen("open"),
        high=yen("high"),
        low=yen("low"),
        close=yen("close"),
        volume=block.lots[:, part][row, number].astype(np.float64) * LOT,
    )
