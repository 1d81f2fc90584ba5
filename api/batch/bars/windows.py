"""Some bars of one symbol from the beginning of a span, without decoding the whole of it."""

from datetime import datetime, timedelta

import polars as pl

from batch.bars.store import BarStore
from batch.market.bar import BarSeries, empty_bars
from batch.market.interval import Interval

#: The most bars of a session: 09:00 to 15:30 on the clock, with the lunch break.
_SESSION_S = 6.5 * 3600
#: A window holds a month at least: a page file does, too.
_LEAST_DAYS = 31
_MOST_DAYS = 366


async def read_first(
    store: BarStore, series: BarSeries, symbol: str, *, start: datetime, end: datetime, limit: int
) -> pl.DataFrame:
    """Return the first `limit` bars, or all there are, with `start <= opened_at < end` (aware datetimes).

    Reads one window after another until it has enough, so that a page of a long history costs what the page holds.
    """
    if not series.interval.is_intraday:
        # A year of daily bars is one page: a whole history is read in a millisecond or two.
        return (await store.read(series, symbol, start=start, end=end)).head(limit)
    found: list[pl.DataFrame] = []
    held, days = 0, _days_of(series.interval, limit)
    while start < end and held < limit:
        until = min(end, start + timedelta(days=days))
        bars = await store.read(series, symbol, start=start, end=until)
        found += [] if bars.is_empty() else [bars]
        held += bars.height
        start = until
        # Where nothing is held, such as before the first ingest, larger steps.
        days = min(days * 2, _MOST_DAYS) if bars.is_empty() else _days_of(series.interval, limit - held)
    # Putting one frame together would copy it, which is a tenth of the whole question.
    whole = found[0] if len(found) == 1 else pl.concat([empty_bars(), *found])
    return whole.head(limit)


def _days_of(interval: Interval, bars: int) -> int:
    """Calendar days in which so many bars are to be expected: five sessions a week."""
    sessions = bars / (_SESSION_S / interval.seconds)
    return min(max(_LEAST_DAYS, round(sessions * 7 / 5) + 1), _MOST_DAYS)
