"""Oscillators: how far and how fast prices moved."""

import numpy as np

from batch.indicators.columns import BarColumns
from batch.indicators.smoothing import Floats, change, column, from_row, ratio, simple, wilder
from batch.indicators.table import Values

#: Lambert's constant, by which three quarters of all values are between -100 and 100.
_CCI_SCALE = 0.015


def rsi(bars: BarColumns, values: Values) -> list[Floats]:
    """Return 100 * U / (U + D), with Wilder's means U of rises and D of falls; 0 if nothing moved, as in TA-Lib.

    J. Welles Wilder, New Concepts in Technical Trading Systems (1978).
    """
    period, moved = int(values[0]), change(bars.close)
    up = wilder(np.maximum(moved, 0), period, start=1)
    down = wilder(np.maximum(-moved, 0), period, start=1)
    return [ratio(up, up + down, scale=100)]


def stoch(bars: BarColumns, values: Values) -> list[Floats]:
    """Return %K and %D: the position of the close between low and high of fast_k rows, smoothed once and twice.

    George Lane's slow stochastic. 0 if high and low are equal, as in TA-Lib.
    """
    fast_k, slow_k, slow_d = (int(value) for value in values)
    low = column(bars.low).rolling_min(fast_k).to_numpy()
    high = column(bars.high).rolling_max(fast_k).to_numpy()
    k = simple(ratio(bars.close - low, high - low, scale=100), slow_k)
    return [from_row(k, fast_k + slow_k + slow_d - 3), simple(k, slow_d)]


def cci(bars: BarColumns, values: Values) -> list[Floats]:
    """Return (TP - SMA(TP)) / (0.015 * mean absolute deviation of TP from that mean); 0 if nothing moved.

    Donald Lambert, Commodities (October 1980); TP is the typical price.
    """
    period, prices = int(values[0]), column(bars.typical)
    moved = prices.rolling_max(period).to_numpy() - prices.rolling_min(period).to_numpy()
    spread = np.where(moved == 0, 0, _mean_deviation(bars.typical, period))
    return [from_row(ratio(bars.typical - simple(bars.typical, period), _CCI_SCALE * spread), period - 1)]


def _mean_deviation(price: Floats, period: int) -> Floats:
    result = np.full(price.size, np.nan)
    windows = price.size - period + 1
    if windows < 1:
        return result
    # A loop over the places of a window, since a matrix of all windows needs `period` times the memory.
    mean, deviation = np.zeros(windows), np.zeros(windows)
    for k in range(period):
        mean += price[k : k + windows]
    mean /= period
    for k in range(period):
        deviation += np.abs(price[k : k + windows] - mean)
    result[period - 1 :] = deviation / period
    return result


def roc(bars: BarColumns, values: Values) -> list[Floats]:
    """Return 100 * (close / close n rows before - 1)."""
    before = column(bars.close).shift(int(values[0])).to_numpy()
    return [100 * (bars.close / before - 1)]


def mfi(bars: BarColumns, values: Values) -> list[Floats]:
    """Return 100 * P / (P + N): typical price times volume, over n rows in which it rose (P) or fell (N).

    Gene Quong and Avrum Soudack, Technical Analysis of Stocks & Commodities (March 1989). 0 if P + N is below 1, as in
    TA-Lib.
    """
    period, moved = int(values[0]), change(bars.typical)
    flow = bars.typical * bars.volume
    rose, fell = (
        column(np.where(np.isnan(moved), np.nan, np.where(is_so, flow, 0))).rolling_sum(period).to_numpy()
        for is_so in (moved > 0, moved < 0)
    )
    whole = rose + fell
    return [np.where(whole < 1, 0, ratio(rose, whole, scale=100))]
