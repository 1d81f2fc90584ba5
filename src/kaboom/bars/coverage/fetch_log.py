"""The fetch log: how many bars a provider returned for a symbol and session, and when it was asked."""

from collections.abc import Sequence
from datetime import date, datetime

import polars as pl
import structlog

from kaboom.bars.store import FETCH_LOG_SCHEMA, BarStore
from kaboom.errors import StoreError
from kaboom.market.bar import BarSeries

_log = structlog.get_logger(__name__)

_KEY = ["symbol", "session"]
#: Equal entries of successive days as one row, which is how the embedded store keeps them.
RUN_SCHEMA = pl.Schema(
    {
        "symbol": pl.String(),
        "first": pl.Date(),
        "last": pl.Date(),
        "bars": pl.Int64(),
        "asked_at": pl.Datetime("us", "UTC"),
    }
)


async def keep_fetch_log(store: BarStore, series: BarSeries, fetches: pl.DataFrame) -> None:
    """Save entries in `FETCH_LOG_SCHEMA`; a failure is logged, and costs one more request at the next backfill."""
    try:
        await store.save_fetch_log(series, fetches)
    except StoreError as e:
        symbols = fetches["symbol"].n_unique()
        _log.warning("asked_not_kept", interval=series.interval.value, symbols=symbols, reason=e.message)


def build_fetch_log(
    bars: pl.DataFrame, symbols: Sequence[str], sessions: Sequence[date], asked_at: datetime
) -> pl.DataFrame:
    """Return an entry in `FETCH_LOG_SCHEMA` for each symbol and session, from the bars that the provider returned."""
    counted = bars.group_by("symbol", pl.col("opened_at").dt.date()).len().rows()
    counts = {(symbol, session): bars for symbol, session, bars in counted}
    cells = [(symbol, session) for symbol in sorted(symbols) for session in sorted(sessions)]
    rows = [(*cell, counts.get(cell, 0), asked_at) for cell in cells]
    return pl.DataFrame(rows, schema=FETCH_LOG_SCHEMA, orient="row")


def newest_fetches(fetches: pl.DataFrame) -> pl.DataFrame:
    """Return the newest entry of each symbol and session, sorted by both; of equally new ones the last row."""
    ordered = fetches.sort(*_KEY, "asked_at", maintain_order=True)
    is_last = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(-1)) for name in _KEY)
    return ordered.filter(is_last)


def to_runs(fetches: pl.DataFrame) -> pl.DataFrame:
    """Return entries as runs in `RUN_SCHEMA`: years of daily bars, or of no bars, become one row.

    A run spans a day without an entry only if that day is in a weekend, so that no session is in a run by mistake.
    """
    if fetches["session"].n_unique() == 1:  # every daily ingest: nothing to join
        return fetches.rename({"session": "first"}).insert_column(2, fetches["session"].alias("last"))
    days = fetches.select("session").unique().sort("session")
    # Successive days, and a Friday and its Monday, get successive ordinals.
    step = pl.col("session").diff().dt.total_days().fill_null(1)
    over_weekend = (step == 3) & (pl.col("session").dt.weekday() == 1)
    days = days.with_columns(ordinal=pl.when((step == 1) | over_weekend).then(1).otherwise(2).cum_sum())
    ordered = fetches.join(days, on="session").sort(_KEY)
    place = pl.int_range(pl.len()).over("symbol", "bars", "asked_at")
    return (
        ordered.with_columns(run=pl.col("ordinal") - place)
        .group_by("symbol", "bars", "asked_at", "run", maintain_order=True)
        .agg(pl.col("session").first().alias("first"), pl.col("session").last().alias("last"))
        .select(list(RUN_SCHEMA))
    )


def from_runs(runs: pl.DataFrame, *, first: date, last: date) -> pl.DataFrame:
    """Return the newest entry of each symbol and day from `first` to `last`; the weekends within a run count too."""
    clipped = runs.with_columns(
        pl.col("first").clip(lower_bound=pl.lit(first)), pl.col("last").clip(upper_bound=pl.lit(last))
    )
    if clipped.filter(pl.col("first") != pl.col("last")).is_empty():  # every intraday ingest: nothing to spread
        return newest_fetches(clipped.rename({"first": "session"}).select(list(FETCH_LOG_SCHEMA)))
    # Of two runs with the same time, the shorter one was saved later.
    clipped = clipped.sort((pl.col("last") - pl.col("first")), descending=True, maintain_order=True)
    days = clipped.with_columns(session=pl.date_ranges("first", "last")).explode("session")
    return newest_fetches(days.select(list(FETCH_LOG_SCHEMA)))
