"""Moving averages of closes, and indicators made of them."""

import numpy as np

from batch.indicators.columns import BarColumns
from batch.indicators.smoothing import Floats, column, exponential, from_row, simple
from batch.indicators.table import Values


def sma(bars: BarColumns, values: Values) -> list[Floats]:
    """Return the mean of the last n closes."""
    return [simple(bars.close, int(values[0]))]


def ema(bars: BarColumns, values: Values) -> list[Floats]:
    """Return E = E' + 2/(n+1) * (close - E'), starting with the mean of the first n closes."""
    return [exponential(bars.close, int(values[0]))]


def wma(bars: BarColumns, values: Values) -> list[Floats]:
    """Return the mean of the last n closes with weights 1 (the oldest) to n."""
    period = int(values[0])
    weights = np.arange(1.0, period + 1)
    weighted = column(bars.close).rolling_sum(period, weights=weights.tolist())
    return [weighted.to_numpy() / weights.sum()]


def macd(bars: BarColumns, values: Values) -> list[Floats]:
    """Return EMA(fast) - EMA(slow), its own EMA (signal), and their difference (histogram).

    Gerald Appel. Both averages have their first value in the same row, and all three columns start with the signal's
    first value, as in TA-Lib.
    """
    fast, slow, period = (int(value) for value in values)
    line = exponential(bars.close, fast, start=slow - fast) - exponential(bars.close, slow)
    signal = exponential(line, period, start=slow - 1)
    return [from_row(line, slow + period - 2), signal, line - signal]


def bbands(bars: BarColumns, values: Values) -> list[Floats]:
    """Return SMA + k standard deviations, SMA, SMA - k standard deviations (of the population).

    John Bollinger, Bollinger on Bollinger Bands (2001).
    """
    period, deviations = int(values[0]), values[1]
    middle = simple(bars.close, period)
    width = deviations * column(bars.close).rolling_std(period, ddof=0).to_numpy()
    return [middle + width, middle, middle - width]
