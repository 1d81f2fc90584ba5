"""`known_at(t)` is the state of a model at t, whatever was written, corrected or written again."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaboom.bars.history import HistoricalStore
from kaboom.bars.memory import MemoryBarStore
from kaboom.bars.pages.store import PageBarStore
from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.bars.store import BarReader, BarStore, count_sessions
from kaboom.drivers.postgres.blocking import BlockingDatabase
from kaboom.market.bar import BAR_SCHEMA, BarSeries
from tests.fixtures.bars.postgres_bars import empty_bar_tables
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, at, bar

SYMBOLS = ("1301", "7203", "285A")
DAYS = (date(2025, 6, 30), date(2025, 7, 1), date(2025, 12, 31), date(2026, 1, 5))
_BEGIN, _END = at(date(1950, 1, 1)), at(date(2100, 1, 1))

_BARS = st.tuples(
    st.sampled_from(SYMBOLS), st.sampled_from(DAYS), st.integers(0, 4), st.integers(1, 3), st.sampled_from([0, 0, 4])
)
#: How far the clock goes on before a write, also backwards; then its bars. No bars: the write before, once more.
_WRITES = st.lists(st.tuples(st.integers(-5, 50), st.lists(_BARS, max_size=12)), min_size=1, max_size=8)


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def to_frame(series: BarSeries, bars: list[Any]) -> pl.DataFrame:
    minutes = series is MINUTES
    rows = [
        bar(s, at(day, minute if minutes else 0), float(close), flags=flags) for s, day, minute, close, flags in bars
    ]
    return pl.DataFrame(rows, schema=BAR_SCHEMA, orient="row")


async def check_moment(reader: BarReader, series: BarSeries, expected: pl.DataFrame) -> None:
    """Every kind of read gives the bars expected, bit for bit."""
    for symbol in SYMBOLS:
        bars = await reader.read(series, symbol, start=_BEGIN, end=_END)
        assert bars.equals(expected.filter(pl.col("symbol") == symbol))
    for day in DAYS:
        of_day = expected.filter(pl.col("opened_at").dt.date() == day)
        assert (await reader.read_session(series, day)).equals(of_day)
    newest = expected.group_by("symbol").tail(1).select(list(BAR_SCHEMA)).sort("symbol")
    assert (await reader.latest(series)).equals(newest)
    assert (await reader.latest(series, ["7203"])).equals(newest.filter(pl.col("symbol") == "7203"))
    for first, last in ((DAYS[1], DAYS[2]), (DAYS[1], DAYS[1])):
        covered = await reader.coverage(series, first=first, last=last)
        assert covered.equals(count_sessions(expected.filter(pl.col("opened_at").dt.date().is_between(first, last))))


async def play(store: BarStore, clock: HandClock, series: BarSeries, writes: list[Any]) -> None:
    assert isinstance(store, HistoricalStore)
    model = dict[Any, Any]()
    states = [(clock.now - timedelta(microseconds=1), to_frame(series, []))]
    before = list[Any]()
    for steps, bars in writes:
        # Later than every moment that the store may have made of a clock that was set back.
        clock.now = max(states[-1][0], clock.now) + timedelta(microseconds=10 + max(steps, 0))
        looked, clock.now = clock.now, clock.now + timedelta(microseconds=min(steps, 0))
        before = bars or before
        written = to_frame(series, before)
        await store.write(series, written)
        model |= {row[:2]: row for row in written.rows()}
        clock.now = looked
        rows = [model[key] for key in sorted(model)]
        states.append((looked, pl.DataFrame(rows, schema=BAR_SCHEMA, orient="row")))
    for moment, expected in states:
        await check_moment(store.known_at(moment), series, expected)


@settings(max_examples=25, deadline=None)
@given(series=st.sampled_from([MINUTES, DAILY]), writes=_WRITES)
def test_pages_at_a_moment_are_those_of_the_model(series: BarSeries, writes: list[Any]) -> None:
    async def run(root: Path) -> None:
        clock = HandClock()
        store = PageBarStore(root, clock=clock)
        try:
            await play(store, clock, series, writes)
            assert (await store.verify()).faults == ()
        finally:
            await store.close()

    with TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


@settings(max_examples=60, deadline=None)
@given(series=st.sampled_from([MINUTES, DAILY]), writes=_WRITES)
def test_memory_at_a_moment_is_that_of_the_model(series: BarSeries, writes: list[Any]) -> None:
    async def run() -> None:
        clock = HandClock()
        await play(MemoryBarStore(clock=clock), clock, series, writes)

    asyncio.run(run())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(series=st.sampled_from([MINUTES, DAILY]), writes=_WRITES)
def test_postgres_at_a_moment_is_that_of_the_model(database_url: str, series: BarSeries, writes: list[Any]) -> None:
    async def run() -> None:
        clock = HandClock()
        store = PostgresBarStore(BlockingDatabase(database_url, application_name="test"), clock=clock)
        try:
            await play(store, clock, series, writes)
            assert (await store.verify()).faults == ()
        finally:
            await store.close()

    empty_bar_tables(database_url)
    asyncio.run(run())
