"""What a write replaced, from bars before and after side by side."""

import polars as pl

from batch.bars.store import MOST_CORRECTIONS, Correction, RefusedBars, WriteReport
from batch.market.bar import VALUES


def report_replaced(changed: pl.DataFrame, *, written: int, refused: tuple[RefusedBars, ...] = ()) -> WriteReport:
    """Return the report of a write from its changed bars, which hold the old value of `x` as `x_old`."""
    corrected = changed.filter(pl.any_horizontal(pl.col(name) != pl.col(f"{name}_old") for name in VALUES))
    told = corrected.sort("symbol", "opened_at").head(MOST_CORRECTIONS)
    olds = told.select(pl.col(f"{name}_old").cast(pl.Float64) for name in VALUES).rows()
    news = told.select(pl.col(name).cast(pl.Float64) for name in VALUES).rows()
    keys = told.select("symbol", "opened_at").rows()
    corrections = tuple(
        Correction(symbol, at, old, new) for (symbol, at), old, new in zip(keys, olds, news, strict=True)
    )
    return WriteReport(written, changed.height, refused, corrected.height, corrections)
