"""What a roll-up leaves beside its bars: when the minutes that they were made of were asked for."""

import polars as pl

from batch.bars.coverage.answers import keep_asked
from batch.bars.store import ASKED_SCHEMA, BarStore
from batch.market.bar import BarSeries

_KEY = ["symbol", "session"]


async def note_made(store: BarStore, series: BarSeries, made: pl.DataFrame, asked: pl.DataFrame) -> None:
    """Note bars in `BAR_SCHEMA` that were made of minutes, by what was answered on those, in `ASKED_SCHEMA`.

    So they are as final as their minutes. Where nobody noted when those were asked for, nothing is noted.
    """
    cells = made.group_by("symbol", session=pl.col("opened_at").dt.date()).len("bars")
    told = cells.join(asked.drop("bars"), on=_KEY).select(pl.col(name).cast(t) for name, t in ASKED_SCHEMA.items())
    if told.height:
        await keep_asked(store, series, told.sort(_KEY))
