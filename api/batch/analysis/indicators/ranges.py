"""What is made of the range of bars: true range, directional movement."""

import polars as pl

from batch.analysis.indicators.smoothing import from_row, ratio, seeded, wilder, wilder_sum
from batch.analysis.indicators.table import Values

_HIGH, _LOW, _CLOSE = pl.col("high"), pl.col("low"), pl.col("close")


def true_range() -> pl.Expr:
    """Return the greatest of high - low, |high - close before| and |low - close before|; null in the first row.

    J. Welles Wilder, New Concepts in Technical Trading Systems (1978).
    """
    before = _CLOSE.shift(1)
    widest = pl.max_horizontal(_HIGH - _LOW, (_HIGH - before).abs(), (_LOW - before).abs())
    return pl.when(before.is_not_null()).then(widest)


def atr(values: Values) -> list[pl.Expr]:
    """Return Wilder's mean of the true range."""
    return [wilder(true_range(), int(values[0]), start=1)]


def adx(values: Values) -> list[pl.Expr]:
    """Return ADX, +DI and -DI: the strength of a trend, and the shares of movement up and down in the true range.

    J. Welles Wilder, New Concepts in Technical Trading Systems (1978). ±DI = 100 * DM / TR of Wilder's sums;
    DX = 100 * |+DI - -DI| / (+DI + -DI); ADX is Wilder's mean of DX, in which rows without movement do not count.
    ±DI begin in row n, ADX in row 2n - 1.
    """
    period = int(values[0])
    up, down = _HIGH.diff(), -_LOW.diff()
    rising = pl.when((up > 0) & (up > down)).then(up).when(up.is_not_null()).then(0.0)
    falling = pl.when((down > 0) & (down > up)).then(down).when(down.is_not_null()).then(0.0)
    span = wilder_sum(true_range(), period)
    plus = from_row(ratio(wilder_sum(rising, period), span, scale=100), period)
    minus = from_row(ratio(wilder_sum(falling, period), span, scale=100), period)
    whole = plus + minus
    index = pl.when(whole != 0).then(100 * (plus - minus).abs() / whole)
    first = index.slice(period, period).fill_null(0.0).mean()
    return [seeded(index, first, at=2 * period - 1, weight=1 / period), plus, minus]
