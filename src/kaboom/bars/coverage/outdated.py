"""Rolled-up bars that no longer match their minutes, which were corrected or completed since."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import polars as pl

from kaboom.bars.store import BarStore
from kaboom.market.bar import VALUES, BarSeries
from kaboom.market.interval import Interval
from kaboom.market.resample import resample
from kaboom.market.source import provider_of

_KEY = ["symbol", "session"]
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
    made = resample(of_held, interval)
    alike = made.join(held, on=[*_BAR, *VALUES], how="semi")["symbol"].value_counts(name="alike")
    counts = [part["symbol"].value_counts(name=name) for name, part in (("made", made), ("held", held))]
    # An inner join: a symbol whose minutes were dropped cannot be compared.
    both = counts[0].join(counts[1], on="symbol").join(alike, on="symbol", how="left")
    return both.filter(pl.any_horizontal(pl.col(name) != pl.col("alike").fill_null(0) for name in ("made", "held")))
