"""Indicators of the range of bars: true range and directional movement."""

import numpy as np

from batch.indicators.columns import BarColumns
from batch.indicators.smoothing import Floats, change, column, from_row, ratio, seeded, wilder, wilder_sum
from batch.indicators.table import Values


def true_range(bars: BarColumns) -> Floats:
    """Return the largest of high - low, |high - previous close| and |low - previous close|; NaN in the first row.

    J. Welles Wilder, New Concepts in Technical Trading Systems (1978).
    """
    before = column(bars.close).shift(1).to_numpy()
    beyond = np.maximum(np.abs(bars.high - before), np.abs(bars.low - before))
    widest: Floats = np.maximum(bars.high - bars.low, beyond)
    return widest


def atr(bars: BarColumns, values: Values) -> list[Floats]:
    """Return Wilder's mean of the true range."""
    return [wilder(true_range(bars), int(values[0]), start=1)]


def adx(bars: BarColumns, values: Values) -> list[Floats]:
    """Return ADX, +DI and -DI: the strength of a trend, and the shares of movement up and down in the true range.

    J. Welles Wilder, New Concepts in Technical Trading Systems (1978). ±DI = 100 * DM / TR of Wilder's sums;
    DX = 100 * |+DI - -DI| / (+DI + -DI); ADX is Wilder's mean of DX, without rows that have no movement. ±DI start in
    row n, ADX in row 2n - 1.
    """
    period = int(values[0])
    up, down = change(bars.high), -change(bars.low)
    span = wilder_sum(true_range(bars), period)
    plus, minus = (
        from_row(ratio(wilder_sum(moved, period), span, scale=100), period)
        for moved in (_leading(up, down), _leading(down, up))
    )
    whole = plus + minus
    index = np.where(whole == 0, np.nan, ratio(100 * np.abs(plus - minus), whole))
    first = float(np.nansum(index[period : 2 * period])) / period
    return [seeded(index, first, at=2 * period - 1, weight=1 / period), plus, minus]


def _leading(one: Floats, other: Floats) -> Floats:
    """Return a movement if it is positive and larger than the other one, else 0."""
    return np.where((one > 0) & (one > other), one, 0)
