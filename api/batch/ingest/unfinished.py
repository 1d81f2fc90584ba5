"""Bars of a running session that are still being made: they are no bars yet, and no faults either."""

from datetime import datetime, timedelta

import polars as pl

from batch.ingest.plan import IngestChunk
from batch.market.calendar import closes_at


def drop_unfinished(raw: pl.DataFrame, part: IngestChunk, *, delay: timedelta, now: datetime) -> pl.DataFrame:
    """Return raw rows without those of bars that were not over `delay` before `now` (aware), while a session lasts.

    Yahoo gives the minute under way, and the newest price as a row of its own; both are other ones a moment later. A
    row that begins after `now` stays: it cannot be, and the quality checks say so. So do daily bars.
    """
    is_running = closes_at(part.sessions[-1]) + delay > now
    if not is_running or not part.interval.is_intraday or raw.is_empty():
        return raw
    begun = pl.col("opened_at")
    is_unfinished = (begun <= now) & (begun + timedelta(seconds=part.interval.seconds) > now - delay)
    return raw.filter(~is_unfinished.fill_null(value=False))
