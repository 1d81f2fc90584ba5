"""Reading bars of many symbols part by part, so that a long span needs the memory of a session or of a month."""

from asyncio import gather
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl

from kaboom.bars.store import BarReader
from kaboom.market.bar import BarSeries, empty_bars

#: More symbols than this are read session by session: all of a session is one range of the store.
_MOST_BY_SYMBOL = 50
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Bars with `start <= opened_at < end` (aware); of all stored symbols if none is named."""

    series: BarSeries
    start: datetime
    end: datetime
    symbols: tuple[str, ...] = ()


async def read_many(reader: BarReader, wanted: Wanted) -> AsyncIterator[pl.DataFrame]:
    """Yield bars in `BAR_SCHEMA`, sorted by session, then symbol, then time; no part is empty.

    Raises:
        StoreError: the store could not be read.

    """
    async for part in _choose(wanted)(reader, wanted):
        if part.height:
            yield part.sort(pl.col("opened_at").dt.date(), "symbol", "opened_at")


def _choose(wanted: Wanted) -> Callable[[BarReader, Wanted], AsyncIterator[pl.DataFrame]]:
    if 0 < len(wanted.symbols) <= _MOST_BY_SYMBOL:
        return _by_symbol
    # A page of daily bars holds a year of one symbol, so each session of all would read the whole year.
    return _by_session if wanted.series.interval.is_intraday else _by_year


async def _by_symbol(reader: BarReader, wanted: Wanted) -> AsyncIterator[pl.DataFrame]:
    for start, end in split_span(wanted):
        frames = await gather(*(reader.read(wanted.series, symbol, start=start, end=end) for symbol in wanted.symbols))
        yield pl.concat([empty_bars(), *frames])


async def _by_session(reader: BarReader, wanted: Wanted) -> AsyncIterator[pl.DataFrame]:
    for start, end in split_span(wanted):
        held = await reader.coverage(wanted.series, first=start.date(), last=(end - _INSTANT).date())
        for session in held["session"].unique().sort():
            yield _keep(await reader.read_session(wanted.series, session), wanted, start, end)


async def _by_year(reader: BarReader, wanted: Wanted) -> AsyncIterator[pl.DataFrame]:
    for start, end in split_span(wanted):
        bars = await reader.read_sessions(wanted.series, first=start.date(), last=(end - _INSTANT).date())
        yield _keep(bars, wanted, start, end)


def _keep(bars: pl.DataFrame, wanted: Wanted, start: datetime, end: datetime) -> pl.DataFrame:
    bars = bars.filter(pl.col("opened_at").is_between(start, end, closed="left"))
    return bars.filter(pl.col("symbol").is_in(wanted.symbols)) if wanted.symbols else bars


def split_span(wanted: Wanted) -> Iterator[tuple[datetime, datetime]]:
    """Yield the months of a span, of daily bars the years, in UTC; an end is not included."""
    start, end = wanted.start.astimezone(UTC), wanted.end.astimezone(UTC)
    while start < end:
        first = start.date().replace(day=1)
        following = (first + timedelta(days=32)).replace(day=1)
        if not wanted.series.interval.is_intraday:
            following = date(first.year + 1, 1, 1)
        until = min(end, datetime.combine(following, datetime.min.time(), UTC))
        yield start, until
        start = until
