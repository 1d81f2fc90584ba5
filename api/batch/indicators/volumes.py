"""Indicators of volume."""

import numpy as np
import polars as pl

from batch.indicators.columns import BarColumns
from batch.indicators.smoothing import Floats, change
from batch.indicators.table import Values


def obv(bars: BarColumns, _values: Values) -> list[Floats]:
    """Return the sum of volumes, negative for falling closes, from the first row; only its changes have a meaning.

    Joseph Granville, New Key to Stock Market Profits (1963).
    """
    sign = np.nan_to_num(np.sign(change(bars.close)), nan=1.0)
    return [np.cumsum(sign * bars.volume)]


def vwap(bars: BarColumns, _values: Values) -> list[Floats]:
    """Return the volume-weighted mean of typical prices since the session's first bar; NaN before the first trade."""
    sums = pl.DataFrame({"day": bars.session, "paid": bars.typical * bars.volume, "traded": bars.volume})
    paid, traded = (sums.select(pl.col(name).cum_sum().over("day"))[name].to_numpy() for name in ("paid", "traded"))
    return [np.where(traded > 0, paid / np.maximum(traded, 1), np.nan)]
