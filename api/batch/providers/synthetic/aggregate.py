"""Longer bars from minutes, and days straight from layer B."""

import numpy as np

from batch.market.interval import Interval
from batch.market.rules import LOT
from batch.providers.synthetic.columns import BarColumns
from batch.providers.synthetic.daily import YearBlock
from batch.providers.synthetic.rng import Floats

_EPOCH_DAY = 719163  # date(1970, 1, 1).toordinal()


def aggregate_minutes(minutes: BarColumns, interval: Interval) -> BarColumns:
    """Return longer intraday bars, aligned to the clock; `minutes` must be sorted by symbol, then time."""
    stamps = minutes.stamp - minutes.stamp % interval.seconds
    if interval is Interval.M1 or not len(stamps):
        return minutes
    new = np.concatenate([[True], (np.diff(minutes.row) != 0) | (np.diff(stamps) != 0)])
    starts = np.flatnonzero(new)
    ends = np.append(starts[1:], len(stamps)) - 1
    return BarColumns(
        row=minutes.row[starts],
        stamp=stamps[starts],
        open=minutes.open[starts],
        high=np.maximum.reduceat(minutes.high, starts),
        low=np.minimum.reduceat(minutes.low, starts),
        close=minutes.close[ends],
        volume=np.add.reduceat(minutes.volume, starts),
    )


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
