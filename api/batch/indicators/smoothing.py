"""Averages used by indicators, started as in TA-Lib; NaN is a row without a value, only at the beginning."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

type Floats = NDArray[np.float64]


def column(x: Floats) -> pl.Series:
    """Return numbers as a column in which NaN is null, since polars' windows skip null but not NaN."""
    return pl.Series(x, dtype=pl.Float64(), nan_to_null=True)


def simple(x: Floats, period: int) -> Floats:
    """Return the mean of the last `period` rows."""
    return column(x).rolling_mean(period).to_numpy()


def exponential(x: Floats, period: int, *, start: int = 0) -> Floats:
    """Return the mean in which a row weighs 2/(period+1), starting with the mean of `period` rows from row `start`."""
    return seeded(x, _mean(x, start, period), at=start + period - 1, weight=2 / (period + 1))


def wilder(x: Floats, period: int, *, start: int) -> Floats:
    """Return Wilder's mean, in which a row weighs 1/period, starting with that of `period` rows from row `start`."""
    return seeded(x, _mean(x, start, period), at=start + period - 1, weight=1 / period)


def wilder_sum(x: Floats, period: int) -> Floats:
    """Return Wilder's sum divided by `period`, starting with period - 1 rows from row 1, as for directional lines."""
    return seeded(x, float(x[1:period].sum()) / period, at=period - 1, weight=1 / period)


def seeded(x: Floats, first: float, *, at: int, weight: float) -> Floats:
    """Return the running mean (1 - weight) * previous + weight * x, which is `first` at row `at` and NaN before.

    A later NaN leaves the mean as it is.
    """
    begun = np.full(x.size, np.nan)
    if at >= x.size:
        return begun
    begun[at] = first
    begun[at + 1 :] = x[at + 1 :]
    return column(begun).ewm_mean(alpha=weight, adjust=False, ignore_nulls=True).forward_fill().to_numpy()


def from_row(x: Floats, first: int) -> Floats:
    """Return numbers with NaN before a row, so that all outputs of an indicator start in the same row."""
    return np.where(np.arange(x.size) >= first, x, np.nan)


def change(x: Floats) -> Floats:
    """Return the difference from the row before; NaN in the first."""
    return np.diff(x, prepend=np.nan)


def ratio(part: Floats, whole: Floats, *, scale: float = 1.0) -> Floats:
    """Return scale * part / whole, and 0 if the whole is 0, as in TA-Lib."""
    return np.divide(scale * part, whole, out=np.zeros(part.size), where=whole != 0)


def _mean(x: Floats, start: int, period: int) -> float:
    # Empty if the history is too short.
    return float(x[start : start + period].sum()) / period
