"""Reading one symbol's bars window by window, so that a small part of a long history is read quickly."""

from datetime import UTC, datetime, timedelta

import polars as pl

from kaboom.bars.store import BarReader
from kaboom.market.bar import BarSeries, empty_bars
from kaboom.market.calendar import OLDEST_YEAR

#: A session lasts from 09:00 to 15:30, with the lunch break; a week has five.
_SESSION_S, _DAYS_PER_SESSION = 6.5 * 3600, 7 / 5
#: A window is at least a month, the span of a page file. After a year without bars, no more bars are expected.
_LEAST_DAYS, _MOST_DAYS = 31, 366
_OLDEST = datetime(OLDEST_YEAR, 1, 1, tzinfo=UTC)


async def read_first(
    store: BarReader, series: BarSeries, symbol: str, *, start: datetime, end: datetime, limit: int
) -> pl.DataFrame:
    """Return the first `limit` bars with `start <= opened_at < end` (aware datetimes), or all if they are fewer."""
    if not series.interval.is_intraday:
        # A year of daily bars is one page, so a whole history is read in a few milliseconds.
        return (await store.read(series, symbol, start=start, end=end)).head(limit)
    found = [empty_bars()]
    held, days = 0, min(_days_for(series, limit), _MOST_DAYS)
    while start < end and held < limit:
        until = min(end, start + timedelta(days=days))
        bars = await store.read(series, symbol, start=start, end=until)
        found.append(bars)
        held += bars.height
        start = until
        # Larger steps through months without bars, such as before the first ingest.
        days = min(days * 2 if bars.is_empty() else _days_for(series, limit - held), _MOST_DAYS)
    return pl.concat(found).head(limit)


async def read_with_history(
    store: BarReader, series: BarSeries, symbol: str, *, start: datetime, end: datetime, rows_before: int
) -> pl.DataFrame:
    """Return bars with `start <= opened_at < end` (aware), and at least `rows_before` earlier ones if there are.

    If the span holds no bars, earlier ones are not read.

    Raises:
        StoreError: the store could not be read.

    """
    found = [await store.read(series, symbol, start=start, end=end)]
    until, days = start, _days_for(series, rows_before)
    held = 0
    while found[0].height and held < rows_before and until > _OLDEST:
        first = max(until - timedelta(days=days), _OLDEST)
        bars = await store.read(series, symbol, start=first, end=until)
        if bars.is_empty() and days >= _MOST_DAYS:
            break
        found.append(bars)
        held += bars.height
        # A thinly traded symbol has few bars in many sessions.
        until, days = first, days * 2
    return pl.concat(reversed(found))


def _days_for(series: BarSeries, bars: int) -> int:
    """Return the calendar days in which this many bars are expected."""
    per_session = _SESSION_S / series.interval.seconds if series.interval.is_intraday else 1
    return max(_LEAST_DAYS, round(bars / per_session * _DAYS_PER_SESSION) + 1)
