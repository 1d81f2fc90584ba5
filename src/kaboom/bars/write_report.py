"""The report of a write, from the bars before and after."""

import polars as pl

from kaboom.bars.store import MOST_CORRECTIONS, Correction, RefusedBars, WriteReport
from kaboom.market.bar import VALUES


def report_replaced(taken: pl.DataFrame, held: pl.DataFrame, refused: tuple[RefusedBars, ...] = ()) -> WriteReport:
    """Return the report of a write of the `taken` bars over those `held` before, both in `BAR_SCHEMA`."""
    both = taken.join(held, on=["symbol", "opened_at"], suffix="_old")
    changed, corrected = (
        both.filter(pl.any_horizontal(pl.col(name) != pl.col(f"{name}_old") for name in names))
        for names in ((*VALUES, "flags"), VALUES)
    )
    first = corrected.sort("symbol", "opened_at").head(MOST_CORRECTIONS)
    olds = first.select(pl.col(f"{name}_old").cast(pl.Float64) for name in VALUES).rows()
    news = first.select(pl.col(name).cast(pl.Float64) for name in VALUES).rows()
    keys = first.select("symbol", "opened_at").rows()
    corrections = tuple(
        Correction(symbol, at, old, new) for (symbol, at), old, new in zip(keys, olds, news, strict=True)
    )
    return WriteReport(taken.height, changed.height, refused, corrected.height, corrections)
