"""Moving averages of closes, and what is made of them."""

import polars as pl

from batch.analysis.indicators.smoothing import exponential, from_row, simple
from batch.analysis.indicators.table import Values

_CLOSE = pl.col("close")


def sma(values: Values) -> list[pl.Expr]:
    """Return the mean of the last n closes."""
    return [simple(_CLOSE, int(values[0]))]


def ema(values: Values) -> list[pl.Expr]:
    """Return E = E' + 2/(n+1) * (close - E'), begun with the mean of the first n closes."""
    return [exponential(_CLOSE, int(values[0]))]


def wma(values: Values) -> list[pl.Expr]:
    """Return the mean of the last n closes with weights 1 (the oldest) to n."""
    period = int(values[0])
    weights = [float(weight) for weight in range(1, period + 1)]
    return [_CLOSE.rolling_sum(period, weights=weights) / (period * (period + 1) / 2)]


def macd(values: Values) -> list[pl.Expr]:
    """Return EMA(fast) - EMA(slow), its own EMA (signal), and their difference (histogram).

    Gerald Appel. The fast average is begun so late that both have their first value in the same row, and all three
    columns begin with the signal's first value, as TA-Lib's MACD.
    """
    fast, slow, period = (int(value) for value in values)
    line = exponential(_CLOSE, fast, start=slow - fast) - exponential(_CLOSE, slow)
    signal = exponential(line, period, start=slow - 1)
    return [from_row(line, slow + period - 2), signal, line - signal]


def bbands(values: Values) -> list[pl.Expr]:
    """Return SMA + k standard deviations, SMA, SMA - k standard deviations (of the population).

    John Bollinger, Bollinger on Bollinger Bands (2001).
    """
    period, deviations = int(values[0]), values[1]
    middle = simple(_CLOSE, period)
    width = deviations * _CLOSE.rolling_std(period, ddof=0)
    return [middle + width, middle, middle - width]
