"""Dropping unfinished bars of a running session, which are neither bars nor faults."""

from datetime import datetime, timedelta

import polars as pl

from kaboom.ingest.plan import IngestChunk
from kaboom.market.calendar import closes_at


def drop_unfinished(raw: pl.DataFrame, part: IngestChunk, *, delay: timedelta, now: datetime) -> pl.DataFrame:
    """Return raw rows without those of bars that ended less than `delay` before `now` (aware), during a session.

    Yahoo returns the current minute, and the newest price as another row; both change a moment later. A row that begins
    after `now` is left to the quality checks. Daily bars stay.
    """
    is_running = closes_at(part.sessions[-1]) + delay > now
    if not is_running or not part.interval.is_intraday or raw.is_empty():
        return raw
    begun = pl.col("opened_at")
    is_unfinished = (begun <= now) & (begun + timedelta(seconds=part.interval.seconds) > now - delay)
    return raw.filter(~is_unfinished.fill_null(value=False))
