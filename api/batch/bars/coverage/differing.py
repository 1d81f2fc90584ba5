"""What a roll-up found of minutes: sessions that do not add up to the provider's own day."""

from datetime import date

import polars as pl

from batch.bars.store import BarStore
from batch.market.bar import BarFlag, BarSeries
from batch.market.interval import Interval
from batch.market.source import derived_source

#: Where more of a provider's days than this differ from its minutes, they are days of another kind (trades outside
#: the session, volumes in round numbers), and one that differs says nothing of its minutes.
MOST_DIFFERING = 0.9

_KEY = ["symbol", "session"]


async def find_differing(
    store: BarStore, provider: str, asked: pl.DataFrame, *, first: date, last: date
) -> pl.DataFrame:
    """Return `symbol` and `session` of the minutes of a provider that do not add up to its own daily bar.

    `asked` tells in `ASKED_SCHEMA` when minutes were asked for: where that was after they were rolled up, nobody has
    compared those that are held now. Where most days differ none is returned.

    Raises:
        StoreError: the store cannot be read.

    """
    made = BarSeries(derived_source(provider), Interval.D1)
    days = await store.coverage(made, first=first, last=last)
    differing = days.filter((pl.col("flags") & int(BarFlag.DAY_DIFFERS)) != 0)
    if differing.is_empty():
        return differing.select(_KEY)
    theirs = await store.coverage(BarSeries(provider, Interval.D1), first=first, last=last)
    if differing.height > MOST_DIFFERING * days.join(theirs, on=_KEY, how="semi").height:
        return differing.clear().select(_KEY)
    rolled = (await store.load_asked(made, first=first, last=last)).select(*_KEY, rolled="asked_at")
    known = differing.join(rolled, on=_KEY, how="left").join(asked.select(*_KEY, "asked_at"), on=_KEY, how="left")
    return known.filter((pl.col("asked_at") <= pl.col("rolled")).fill_null(value=True)).select(_KEY)
