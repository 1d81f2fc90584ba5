"""Looking for gaps: what a store holds of a scope, judged."""

from datetime import timedelta

import polars as pl

from batch.bars.coverage.asked import newest_asked
from batch.bars.coverage.differing import find_differing
from batch.bars.coverage.finality import final_times
from batch.bars.coverage.judge import CELL_SCHEMA, HISTORY_SESSIONS, CoverScope, judge_cells, list_cells
from batch.bars.coverage.outdated import find_outdated
from batch.bars.store import BarStore
from batch.market.bar import BarSeries
from batch.market.interval import Interval
from batch.market.source import is_derived, provider_of

#: Calendar days in which twenty sessions lie, also around the new year.
_HISTORY = timedelta(days=HISTORY_SESSIONS * 7 // 5 + 14)
_KEY = ["symbol", "session"]


async def load_cells(store: BarStore, series: BarSeries, scope: CoverScope) -> pl.DataFrame:
    """Return every cell of a scope in `CELL_SCHEMA`, sorted by symbol, then session.

    Raises:
        StoreError: the store cannot be read.

    """
    if not scope.sessions or not scope.symbols:
        return pl.DataFrame(schema=CELL_SCHEMA)
    first, last = scope.sessions[0], scope.sessions[-1]
    held = await store.coverage(series, first=first - _HISTORY, last=last)
    asked = await store.load_asked(series, first=first, last=last)
    differing = outdated = None
    if is_derived(series.source):
        outdated = await find_outdated(store, series, asked, first=first, last=last)
        asked = newest_asked(pl.concat([asked, await _tell_unmade(store, series, scope, held)]))
    if series.interval is Interval.M1:
        differing = await find_differing(store, series.source, asked, first=first - _HISTORY, last=last)
    return judge_cells(held, asked, scope, differing=differing, outdated=outdated)


async def _tell_unmade(store: BarStore, series: BarSeries, scope: CoverScope, held: pl.DataFrame) -> pl.DataFrame:
    """Return in `ASKED_SCHEMA` that there is nothing of the cells that are not held and have no minutes to be made of.

    Nobody is asked for rolled-up bars. What is wanting of the minutes is a gap of theirs.
    """
    minutes = BarSeries(provider_of(series.source), Interval.M1)
    made_of = await store.coverage(minutes, first=scope.sessions[0], last=scope.sessions[-1])
    unmade = list_cells(scope).join(made_of, on=_KEY, how="anti").join(held, on=_KEY, how="anti")
    told = unmade.join(final_times(scope.sessions, scope.delay), on="session")
    return told.select(*_KEY, bars=pl.lit(0, pl.Int64), asked_at="final_at")
