"""Sessions whose minutes do not add up to the provider's own daily bar, as found by a roll-up."""

from datetime import date

import polars as pl

from kaboom.bars.store import BarStore
from kaboom.market.bar import BarFlag, BarSeries
from kaboom.market.interval import Interval
from kaboom.market.source import derived_source

#: If more of a provider's days than this differ from its minutes, its daily bars are of another kind (for example with
#: trades outside the session), and a single mismatch says nothing about the minutes.
MAX_MISMATCH_SHARE = 0.9

_KEY = ["symbol", "session"]


async def find_day_mismatches(
    store: BarStore, provider: str, fetches: pl.DataFrame, *, first: date, last: date
) -> pl.DataFrame:
    """Return `symbol` and `session` of a provider's minutes that do not add up to its own daily bar.

    Minutes that were fetched again after their roll-up, by the log in `FETCH_LOG_SCHEMA`, have not been compared and
    are left out. If most days differ, no row is returned.

    Raises:
        StoreError: the store cannot be read.

    """
    rolled_up = BarSeries(derived_source(provider), Interval.D1)
    days = await store.coverage(rolled_up, first=first, last=last)
    differing = days.filter((pl.col("flags") & int(BarFlag.DAY_DIFFERS)) != 0)
    if differing.is_empty():
        return differing.select(_KEY)
    theirs = await store.coverage(BarSeries(provider, Interval.D1), first=first, last=last)
    if differing.height > MAX_MISMATCH_SHARE * days.join(theirs, on=_KEY, how="semi").height:
        return differing.clear().select(_KEY)
    rolled = (await store.load_fetch_log(rolled_up, first=first, last=last)).select(*_KEY, rolled="asked_at")
    known = differing.join(rolled, on=_KEY, how="left").join(fetches.select(*_KEY, "asked_at"), on=_KEY, how="left")
    return known.filter((pl.col("asked_at") <= pl.col("rolled")).fill_null(value=True)).select(_KEY)
