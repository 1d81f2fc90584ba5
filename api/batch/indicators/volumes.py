"""Indicators of volume."""

import numpy as np
import polars as pl

from batch.indicators.columns import BarColumns
from batch.indicators.smoothing import Floats, change
from batch.indicators.table import Values


def obv(bars: BarColumns, _values: Values) -> list[Floats]:
    """Return the sum of volumes, of falling closes as minus, from the first row on; only its changes mean anything.

    Joseph Granville, New Key to Stock Market Profits (1963).
    """
    sign = np.nan_to_num(np.sign(change(bars.close)), nan=1.0)
    return [np.cumsum(sign * bars.volume)]


def vwap(bars: BarColumns, _values: Values) -> list[Floats]:
    """Return the mean of typical prices weighted by volume since the session's first bar, NaN until one traded."""
    sums = pl.DataFrame({"day": bars.session, "paid": bars.typical * bars.volume, "traded": bars.volume})
    paid, traded = (sums.select(pl.col(name).cum_sum().over("day"))[name].to_numpy() for name in ("paid", "traded"))
    return [np.where(traded > 0, paid / np.maximum(traded, 1), np.nan)]
