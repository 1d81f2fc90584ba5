"""Looking for gaps: what a store holds of a scope, judged."""

from datetime import timedelta

import polars as pl

from batch.bars.coverage import CELL_SCHEMA, HISTORY_SESSIONS, CoverScope, judge_cells
from batch.bars.store import BarStore
from batch.market.bar import BarSeries

#: Calendar days in which twenty sessions lie, also around the new year.
_HISTORY = timedelta(days=HISTORY_SESSIONS * 7 // 5 + 14)


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
    return judge_cells(held, asked, scope)
