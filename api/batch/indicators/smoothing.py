"""Averages that indicators are made of, begun as TA-Lib begins them; NaN is a row without a value, only in front."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

type Floats = NDArray[np.float64]


def column(x: Floats) -> pl.Series:
    """Return numbers as a column in which NaN is null: polars' windows pass by nulls, and NaN would poison them."""
    return pl.Series(x, dtype=pl.Float64(), nan_to_null=True)


def simple(x: Floats, period: int) -> Floats:
    """Return the mean of the last `period` rows."""
    return column(x).rolling_mean(period).to_numpy()


def exponential(x: Floats, period: int, *, start: int = 0) -> Floats:
    """Return the mean in which a row weighs 2/(period+1), begun with that of `period` rows from row `start` on."""
    return seeded(x, _mean(x, start, period), at=start + period - 1, weight=2 / (period + 1))


def wilder(x: Floats, period: int, *, start: int) -> Floats:
    """Return Wilder's mean, in which a row weighs 1/period, begun with that of `period` rows from row `start` on."""
    return seeded(x, _mean(x, start, period), at=start + period - 1, weight=1 / period)


def wilder_sum(x: Floats, period: int) -> Floats:
    """Return Wilder's sum divided by `period`: begun with period - 1 rows from row 1 on, as his directional lines."""
    return seeded(x, float(x[1:period].sum()) / period, at=period - 1, weight=1 / period)


def seeded(x: Floats, first: float, *, at: int, weight: float) -> Floats:
    """Return the running mean (1 - weight) * before + weight * x that is `first` at row `at`, NaN before.

    A later NaN changes nothing: the mean stays.
    """
    begun = np.full(x.size, np.nan)
    if at >= x.size:
        return begun
    begun[at] = first
    begun[at + 1 :] = x[at + 1 :]
    return column(begun).ewm_mean(alpha=weight, adjust=False, ignore_nulls=True).forward_fill().to_numpy()


def from_row(x: Floats, first: int) -> Floats:
    """Return numbers that are NaN before a row, where the outputs of an indicator begin together."""
    return np.where(np.arange(x.size) >= first, x, np.nan)


def change(x: Floats) -> Floats:
    """Return the difference from the row before; NaN in the first."""
    return np.diff(x, prepend=np.nan)


def ratio(part: Floats, whole: Floats, *, scale: float = 1.0) -> Floats:
    """Return scale * part / whole, and 0 where the whole is nothing, as TA-Lib does."""
    return np.divide(scale * part, whole, out=np.zeros(part.size), where=whole != 0)


def _mean(x: Floats, start: int, period: int) -> float:
    # A sum from left to right, as TA-Lib's; of nothing where the history is too short.
    return float(x[start : start + period].sum()) / period
