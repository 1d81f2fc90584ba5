"""Indicators of volume."""

import polars as pl

from batch.analysis.indicators.momentum import typical_price
from batch.analysis.indicators.table import Values

_CLOSE, _VOLUME = pl.col("close"), pl.col("volume")


def obv(_values: Values) -> list[pl.Expr]:
    """Return the sum of volumes, of falling closes as minus, from the first row on; only its changes mean anything.

    Joseph Granville, New Key to Stock Market Profits (1963).
    """
    sign = _CLOSE.diff().sign().fill_null(1.0)
    return [(sign * _VOLUME).cum_sum()]


def vwap(_values: Values) -> list[pl.Expr]:
    """Return the mean of typical prices weighted by volume since the session's first bar, null until one traded."""
    day = pl.col("opened_at").dt.convert_time_zone("Asia/Tokyo").dt.date()
    paid = (typical_price() * _VOLUME).cum_sum().over(day)
    traded = _VOLUME.cum_sum().over(day)
    return [pl.when(traded > 0).then(paid / traded)]
