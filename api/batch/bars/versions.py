"""Every version of a bar with the moment from which it was known, for the store in memory."""

from datetime import datetime, timedelta

import polars as pl

from batch.bars.normalise import normalise_bars
from batch.market.bar import BAR_SCHEMA

_SINCE = pl.Datetime("us", "UTC")
#: Bars, and the moment from which each was known.
VERSION_SCHEMA = pl.Schema({**BAR_SCHEMA, "since": _SINCE})


def add_versions(versions: pl.DataFrame | None, held: pl.DataFrame, bars: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return versions plus the `bars` that differ from the `held` ones; their moment is later than all others."""
    known = pl.DataFrame(schema=VERSION_SCHEMA) if versions is None else versions
    last = known["since"].max()
    at = max(now, last + timedelta(microseconds=1)) if isinstance(last, datetime) else now
    new = bars.join(held, on=list(BAR_SCHEMA), how="anti", maintain_order="left")
    return pl.concat([known, new.with_columns(since=pl.lit(at, _SINCE))])


def versions_at(versions: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """Return the bars that were known at a moment, in `BAR_SCHEMA`."""
    return normalise_bars(versions.filter(pl.col("since") <= moment).select(list(BAR_SCHEMA)))
