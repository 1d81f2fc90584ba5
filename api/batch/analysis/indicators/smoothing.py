"""Averages that others are made of, begun as TA-Lib begins them; `x` is any column with nulls only in front."""

import polars as pl


def simple(x: pl.Expr, period: int) -> pl.Expr:
    """Return the mean of the last `period` rows."""
    return x.rolling_mean(period)


def exponential(x: pl.Expr, period: int, *, start: int = 0) -> pl.Expr:
    """Return the mean in which a row weighs 2/(period+1), begun with that of `period` rows from row `start` on."""
    return seeded(x, x.slice(start, period).mean(), at=start + period - 1, weight=2 / (period + 1))


def wilder(x: pl.Expr, period: int, *, start: int) -> pl.Expr:
    """Return Wilder's mean, in which a row weighs 1/period, begun with that of `period` rows from row `start` on."""
    return seeded(x, x.slice(start, period).mean(), at=start + period - 1, weight=1 / period)


def wilder_sum(x: pl.Expr, period: int) -> pl.Expr:
    """Return Wilder's sum divided by `period`: begun with period - 1 rows from row 1 on, as his directional lines."""
    return seeded(x, x.slice(1, period - 1).sum() / period, at=period - 1, weight=1 / period)


def seeded(x: pl.Expr, first: pl.Expr, *, at: int, weight: float) -> pl.Expr:
    """Return the running mean (1 - weight) * before + weight * x that is `first` at row `at`, null before.

    A later null changes nothing: the mean stays.
    """
    row = pl.int_range(pl.len())
    begun = pl.when(row > at).then(x).when(row == at).then(first)
    return begun.ewm_mean(alpha=weight, adjust=False, ignore_nulls=True).forward_fill()


def from_row(x: pl.Expr, first: int) -> pl.Expr:
    """Return a column that is null before a row, where the outputs of an indicator begin together."""
    return pl.when(pl.int_range(pl.len()) >= first).then(x)


def ratio(part: pl.Expr, whole: pl.Expr, *, scale: float = 1.0) -> pl.Expr:
    """Return scale * part / whole, and 0 where the whole is nothing, as TA-Lib does."""
    filled = pl.when(whole == 0).then(0.0).otherwise(scale * part / whole)
    return pl.when(whole.is_not_null()).then(filled)
