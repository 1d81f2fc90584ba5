"""Keeping what was answered beside the bars, as far as it can be kept."""

import polars as pl
import structlog

from batch.bars.store import BarStore
from batch.errors import StoreError
from batch.market.bar import BarSeries

_log = structlog.get_logger(__name__)


async def keep_asked(store: BarStore, series: BarSeries, asked: pl.DataFrame) -> None:
    """Keep answers in `ASKED_SCHEMA`. What cannot be kept costs another request at the next backfill, and no more."""
    try:
        await store.save_asked(series, asked)
    except StoreError as e:
        symbols = asked["symbol"].n_unique()
        _log.warning("asked_not_kept", interval=series.interval.value, symbols=symbols, reason=e.message)
