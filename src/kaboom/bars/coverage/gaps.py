"""Finding gaps: the coverage of a scope, as classified cells."""

import asyncio
from datetime import date, timedelta

import polars as pl

from kaboom.bars.coverage.classify import CELL_SCHEMA, HISTORY_SESSIONS, CoverScope, classify_cells, list_cells
from kaboom.bars.coverage.day_mismatch import find_day_mismatches
from kaboom.bars.coverage.fetch_log import newest_fetches
from kaboom.bars.coverage.finality import final_times
from kaboom.bars.coverage.outdated import find_outdated
from kaboom.bars.store import BarStore
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from kaboom.market.source import is_derived, provider_of

#: Calendar days that hold twenty sessions, even around the New Year.
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
    held, fetches = await load_known(store, series, first=first, last=last)
    return await judge_cells(store, series, scope, held=held, fetches=fetches)


async def load_known(
    store: BarStore, series: BarSeries, *, first: date, last: date
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the coverage from twenty sessions before `first` on, and the fetch log of `first` to `last`.

    Raises:
        StoreError: the store cannot be read.

    """
    held, fetches = await asyncio.gather(
        store.coverage(series, first=first - _HISTORY, last=last),
        store.load_fetch_log(series, first=first, last=last),
    )
    return held, fetches


async def judge_cells(
    store: BarStore, series: BarSeries, scope: CoverScope, *, held: pl.DataFrame, fetches: pl.DataFrame
) -> pl.DataFrame:
    """Return every cell of a scope in `CELL_SCHEMA`, from the result of `load_known` for its sessions.

    Raises:
        StoreError: the store cannot be read.

    """
    first, last = scope.sessions[0], scope.sessions[-1]
    differing = outdated = None
    if is_derived(series.source):
        outdated = await find_outdated(store, series, fetches, first=first, last=last)
        fetches = newest_fetches(pl.concat([fetches, await _mark_unavailable(store, series, scope, held)]))
    if series.interval is Interval.M1:
        differing = await find_day_mismatches(store, series.source, fetches, first=first - _HISTORY, last=last)
    # It takes up to half a second for a year of a market, so it must not block the event loop.
    return await asyncio.to_thread(classify_cells, held, fetches, scope, differing=differing, outdated=outdated)


async def _mark_unavailable(store: BarStore, series: BarSeries, scope: CoverScope, held: pl.DataFrame) -> pl.DataFrame:
    """Return log entries of 0 bars for rolled-up cells that are not held and have no minutes.

    No provider is asked for rolled-up bars, and missing minutes are a gap of the minutes.
    """
    minutes = BarSeries(provider_of(series.source), Interval.M1)
    have_minutes = await store.coverage(minutes, first=scope.sessions[0], last=scope.sessions[-1])
    cells = list_cells(scope).join(have_minutes, on=_KEY, how="anti").join(held, on=_KEY, how="anti")
    timed = cells.join(final_times(scope.sessions, scope.delay), on="session")
    return timed.select(*_KEY, bars=pl.lit(0, pl.Int64), asked_at="final_at")
