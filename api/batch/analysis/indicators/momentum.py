"""Oscillators: how far and how fast prices have moved."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from batch.analysis.indicators.smoothing import from_row, ratio, simple, wilder
from batch.analysis.indicators.table import Values

_HIGH, _LOW, _CLOSE = pl.col("high"), pl.col("low"), pl.col("close")
#: Lambert's constant: some three quarters of all values lie between -100 and 100.
_CCI_SCALE = 0.015


def typical_price() -> pl.Expr:
    """Return (high + low + close) / 3."""
    return (_HIGH + _LOW + _CLOSE) / 3


def rsi(values: Values) -> list[pl.Expr]:
    """Return 100 * U / (U + D), with Wilder's means U of rises and D of falls; 0 where nothing moved, as TA-Lib.

    J. Welles Wilder, New Concepts in Technical Trading Systems (1978).
    """
    period, change = int(values[0]), _CLOSE.diff()
    up = wilder(change.clip(lower_bound=0), period, start=1)
    down = wilder((-change).clip(lower_bound=0), period, start=1)
    return [ratio(up, up + down, scale=100)]


def stoch(values: Values) -> list[pl.Expr]:
    """Return %K and %D: the place of the close between low and high of fast_k rows, smoothed once and twice.

    George Lane's slow stochastic. 0 where high and low are one, as TA-Lib.
    """
    fast_k, slow_k, slow_d = (int(value) for value in values)
    low = _LOW.rolling_min(fast_k)
    place = ratio(_CLOSE - low, _HIGH.rolling_max(fast_k) - low, scale=100)
    k = simple(place, slow_k)
    return [from_row(k, fast_k + slow_k + slow_d - 3), simple(k, slow_d)]


def cci(values: Values) -> list[pl.Expr]:
    """Return (TP - SMA(TP)) / (0.015 * mean absolute deviation of TP from that mean); 0 where nothing moved.

    Donald Lambert, Commodities (October 1980); TP is the typical price.
    """
    period, price = int(values[0]), typical_price()

    def deviate(batch: pl.Series) -> pl.Series:
        return pl.Series(_mean_deviation(batch.to_numpy(), period))

    is_flat = price.rolling_max(period) == price.rolling_min(period)
    spread = price.map_batches(deviate, return_dtype=pl.Float64())
    index = (price - simple(price, period)) / (_CCI_SCALE * spread)
    return [from_row(pl.when(is_flat).then(0.0).otherwise(index), period - 1)]


def _mean_deviation(price: NDArray[np.float64], period: int) -> NDArray[np.float64]:
    result = np.full(price.size, np.nan)
    windows = price.size - period + 1
    if windows < 1:
        return result
    # One addition for each place of a window: a matrix of all windows would be `period` times the memory.
    mean, deviation = np.zeros(windows), np.zeros(windows)
    for k in range(period):
        mean += price[k : k + windows]
    mean /= period
    for k in range(period):
        deviation += np.abs(price[k : k + windows] - mean)
    result[period - 1 :] = deviation / period
    return result


def roc(values: Values) -> list[pl.Expr]:
    """Return 100 * (close / close of n rows before - 1)."""
    before = _CLOSE.shift(int(values[0]))
    return [100 * (_CLOSE / before - 1)]


def mfi(values: Values) -> list[pl.Expr]:
    """Return 100 * P / (P + N): typical price times volume, over n rows in which it rose (P) or fell (N).

    Gene Quong and Avrum Soudack, Technical Analysis of Stocks & Commodities (March 1989). 0 where P + N is below 1,
    as TA-Lib.
    """
    period, price = int(values[0]), typical_price()
    flow, change = price * pl.col("volume"), price.diff()
    rose = pl.when(change > 0).then(flow).when(change.is_not_null()).then(0.0).rolling_sum(period)
    fell = pl.when(change < 0).then(flow).when(change.is_not_null()).then(0.0).rolling_sum(period)
    whole = rose + fell
    return [pl.when(whole < 1).then(0.0).when(whole.is_not_null()).then(100 * rose / whole)]
