"""Detecting splits in raw bars that a quality rule has flagged."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from kaboom.bars.quality.soft_rules import SPLIT_RATIOS
from kaboom.market.action import CorporateAction
from kaboom.market.bar import BarFlag
from kaboom.market.rules import limit_bounds


def suspect_splits(
    bars: pl.DataFrame, previous_closes: Mapping[str, float], *, is_tse: bool
) -> tuple[CorporateAction, ...]:
    """Return suspected splits in checked bars of successive sessions, by symbol, then session.

    A suspect is a flagged bar that opens beyond the daily limit from the previous close; outside the TSE the flag is
    enough. The factor is the nearest usual ratio. `previous_closes` are those before the first session.
    """
    is_flagged = pl.col("flags") & BarFlag.SPLIT_SUSPECT.value != 0
    symbols = bars.filter(is_flagged)["symbol"].unique()
    earlier = pl.col("symbol").replace_strict(dict(previous_closes), default=None, return_dtype=pl.Float64)
    before = pl.coalesce(pl.col("close").shift(1).over("symbol"), earlier)
    rows = (
        bars.filter(pl.col("symbol").is_in(symbols.implode()))
        .select("symbol", pl.col("opened_at").dt.date(), "open", "flags", before=before)
        .filter(is_flagged, pl.col("before").is_not_null())
    )
    ratio = rows["open"].to_numpy() / rows["before"].to_numpy()
    if is_tse:
        lower, upper = limit_bounds(rows["before"].to_numpy())
        beyond = (rows["open"].to_numpy() < lower) | (rows["open"].to_numpy() > upper)
    else:
        beyond = np.ones(ratio.size, dtype=np.bool_)
    nearest = SPLIT_RATIOS[np.abs(np.abs(np.log(ratio))[:, None] - np.log(SPLIT_RATIOS)).argmin(axis=1)]
    factors = np.where(ratio < 1, 1 / nearest, nearest)
    return tuple(
        CorporateAction(symbol, day, float(factor))
        for (symbol, day), factor, far in zip(rows.select("symbol", "opened_at").rows(), factors, beyond, strict=True)
        if far
    )
