"""Finding gaps: the coverage of a scope, as classified cells."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta

import polars as pl

from kaboom.bars.coverage.classify import (
    CELL_SCHEMA,
    HISTORY_SESSIONS,
    CoverScope,
    classify_cells,
    final_times,
    list_cells,
)
from kaboom.bars.coverage.fetch_log import newest_fetches
from kaboom.bars.store import BarStore
from kaboom.market.bar import VALUES, BarFlag, BarSeries
from kaboom.market.interval import Interval
from kaboom.market.roll_up import roll_up_bars
from kaboom.market.source import derived_source, is_derived, provider_of

_BAR = ["symbol", "opened_at"]


async def find_outdated(
    store: BarStore, series: BarSeries, rolled: pl.DataFrame, *, first: date, last: date
) -> pl.DataFrame:
    """Return `symbol` and `session` of rolled-up bars that a roll-up of today's minutes would change.

    `rolled` is the log of the last roll-up in `FETCH_LOG_SCHEMA`: when its minutes were fetched. Only cells whose
    minutes were fetched later are read and compared, by prices and volume.

    Raises:
        StoreError: the store cannot be read.

    """
    minutes = BarSeries(provider_of(series.source), Interval.M1)
    fetches = await store.load_fetch_log(minutes, first=first, last=last)
    both = fetches.select(*_KEY, "asked_at").join(rolled.select(*_KEY, made="asked_at"), on=_KEY, how="left")
    later = both.filter((pl.col("asked_at") > pl.col("made")).fill_null(value=True))
    found = [cells async for cells in _compare(store, minutes, series, later)]
    return pl.concat([later.clear().select(_KEY), *found])


async def _compare(
    store: BarStore, minutes: BarSeries, series: BarSeries, later: pl.DataFrame
) -> AsyncIterator[pl.DataFrame]:
    for session in later["session"].unique().sort():
        wanted = later.filter(pl.col("session") == session)["symbol"].implode()
        held = (await store.read_session(series, session)).filter(pl.col("symbol").is_in(wanted))
        if held.is_empty():
            continue
        read = await store.read_session(minutes, session)
        changed = await asyncio.to_thread(_find_changed, held, read, series.interval)
        yield changed.select("symbol", session=pl.lit(session))


def _find_changed(held: pl.DataFrame, minutes: pl.DataFrame, interval: Interval) -> pl.DataFrame:
    """Return the symbols of which minutes now give other bars than those held."""
    of_held = minutes.filter(pl.col("symbol").is_in(held["symbol"].unique().implode()))
    made = roll_up_bars(of_held, interval)
    alike = made.join(held, on=[*_BAR, *VALUES], how="semi")["symbol"].value_counts(name="alike")
    counts = [part["symbol"].value_counts(name=name) for name, part in (("made", made), ("held", held))]
    # An inner join: a symbol whose minutes were dropped cannot be compared.
    both = counts[0].join(counts[1], on="symbol").join(alike, on="symbol", how="left")
    return both.filter(pl.any_horizontal(pl.col(name) != pl.col("alike").fill_null(0) for name in ("made", "held")))


#: If more of a provider's days than this differ from its minutes, its daily bars are of another kind (for example with
#: trades outside the session), and a single mismatch says nothing about the minutes.
MAX_MISMATCH_SHARE = 0.9


async def find_day_mismatches(
    store: BarStore, provider: str, fetches: pl.DataFrame, *, first: date, last: date
) -> pl.DataFrame:
    """Return `symbol` and `session` of a provider's minutes that do not add up to its own daily bar.

    Minutes that were fetched again after their roll-up, by the log in `FETCH_LOG_SCHEMA`, have not been compared and
    are left out. If most days differ, no row is returned.

    Raises:
        StoreError: the store cannot be read.

    """
    rolled_up = BarSeries(derived_source(provider), Interval.D1)
    days = await store.coverage(rolled_up, first=first, last=last)
    differing = days.filter((pl.col("flags") & int(BarFlag.DAY_DIFFERS)) != 0)
    if differing.is_empty():
        return differing.select(_KEY)
    theirs = await store.coverage(BarSeries(provider, Interval.D1), first=first, last=last)
    if differing.height > MAX_MISMATCH_SHARE * days.join(theirs, on=_KEY, how="semi").height:
        return differing.clear().select(_KEY)
    rolled = (await store.load_fetch_log(rolled_up, first=first, last=last)).select(*_KEY, rolled="asked_at")
    known = differing.join(rolled, on=_KEY, how="left").join(fetches.select(*_KEY, "asked_at"), on=_KEY, how="left")
    return known.filter((pl.col("asked_at") <= pl.col("rolled")).fill_null(value=True)).select(_KEY)


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
