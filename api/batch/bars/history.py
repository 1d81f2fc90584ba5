"""Bars of one symbol over a span, with so many before it that what looks back has enough."""

from datetime import UTC, datetime, timedelta

import polars as pl

from batch.bars.store import BarStore
from batch.market.bar import BarSeries
from batch.market.calendar import OLDEST_YEAR

#: Five sessions a week, and 6.5 hours a session.
_DAYS_PER_SESSION, _SESSION_S = 7 / 5, 6.5 * 3600
_LEAST_DAYS = 31
#: After so long without a bar there are none before, either.
_LONGEST_SILENCE_DAYS = 366
_OLDEST = datetime(OLDEST_YEAR, 1, 1, tzinfo=UTC)


async def read_with_history(
    store: BarStore, series: BarSeries, symbol: str, *, start: datetime, end: datetime, rows_before: int
) -> pl.DataFrame:
    """Return bars with `start <= opened_at < end` (aware), and at least `rows_before` before, or all that there are.

    Where the span holds none, nothing before it is looked for.

    Raises:
        StoreError: the store could not be read.

    """
    found = [await store.read(series, symbol, start=start, end=end)]
    if found[0].is_empty():
        return found[0]
    until, days = start, _days_of(series, rows_before)
    held = 0
    while held < rows_before and until > _OLDEST:
        first = max(until - timedelta(days=days), _OLDEST)
        bars = await store.read(series, symbol, start=first, end=until)
        if bars.is_empty() and days >= _LONGEST_SILENCE_DAYS:
            break
        found.append(bars)
        held += bars.height
        # A symbol that hardly trades has few bars in many sessions.
        until, days = first, days * 2
    return pl.concat(reversed(found))


def _days_of(series: BarSeries, rows: int) -> int:
    """Return calendar days in which so many bars are to be expected."""
    per_session = _SESSION_S / series.interval.seconds if series.interval.is_intraday else 1
    return max(_LEAST_DAYS, round(rows / per_session * _DAYS_PER_SESSION) + 1)
