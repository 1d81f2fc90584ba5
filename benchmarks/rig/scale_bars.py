"""Bars of many symbols and sessions in a real InfluxDB 1.x and in the page store, by the product's own stores."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil

from kaboom.bars.influx.layout import InfluxBuckets
from kaboom.bars.influx.store import InfluxBarStore
from kaboom.bars.influx.target import InfluxApi, InfluxTarget
from kaboom.bars.store import BarStore
from kaboom.market.bar import BAR_SCHEMA, BarSeries
from kaboom.market.calendar import sessions_between
from kaboom.market.interval import Interval
from tests.fixtures.bars.stored_bars import full_day
from tests.fixtures.influx.influx_stores import make_store
from tests.fixtures.influx.influxd import Influxd, influxd

MINUTES, DAYS = BarSeries("synthetic", Interval.M1), BarSeries("synthetic", Interval.D1)
#: As providers are asked: a slice of 50 symbols, which is written at once.
SLICE = 50
#: Stores of tests live on 2026-11-25.
LAST = date(2026, 11, 24)
#: What takes longer is not read twice.
_LONG_MS = 2_000
_MOST_FOR_SESSION = 1_000


@dataclass(slots=True)
class Held:
    """What a step wrote and what the store holds after it, and what that took: seconds, CPU, memory, disk."""

    symbols: int
    bars: int
    held: int
    seconds: float
    cpu_s: float
    memory_mb: float
    disk_bytes: int
    reads_ms: dict[str, float] = field(default_factory=dict)


def weigh(root: Path, pattern: str) -> int:
    """Return the bytes of some files below a folder."""
    return sum(path.stat().st_size for path in root.rglob(pattern) if path.is_file())


def sessions(count: int) -> list[date]:
    """Return the last sessions, oldest first."""
    return list(sessions_between(LAST - timedelta(days=2 * count + 20), LAST))[-count:]


def daily_bars(symbols: Sequence[str], days: Sequence[date]) -> pl.DataFrame:
    """Return daily bars: random walks in whole yen."""
    rng, count = np.random.default_rng(len(symbols)), len(symbols) * len(days)
    close = 500.0 + np.abs(rng.integers(-9, 10, (len(symbols), len(days))).cumsum(1)).ravel()
    opened = close + rng.integers(-4, 5, count)
    stamps = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days]
    return pl.DataFrame(
        {
            "symbol": np.repeat(np.array(symbols, dtype=object), len(days)).tolist(),
            "opened_at": stamps * len(symbols),
            "open": opened,
            "high": np.maximum(opened, close) + 3,
            "low": np.minimum(opened, close) - 3,
            "close": close,
            "volume": rng.integers(1, 9_000, count) * 100,
            "flags": np.zeros(count, np.uint16),
        },
        schema=BAR_SCHEMA,
    )


@dataclass(frozen=True, slots=True)
class Step:
    """What to write in a step: `days` of `all_days` that are held after it."""

    symbols: Sequence[str]
    days: Sequence[date]
    all_days: Sequence[date]

    async def write(self, store: BarStore, series: BarSeries) -> int:
        """Write it in slices, minutes session by session as daily ingests do, days as a backfill; return the bars."""
        spans = [[day] for day in self.days] if series.interval is Interval.M1 else [list(self.days)]
        bars = 0
        for number, span in enumerate(spans):
            for i in range(0, len(self.symbols), SLICE):
                some = self.symbols[i : i + SLICE]
                if series.interval is Interval.M1:
                    made = await asyncio.to_thread(full_day, some, span[0], number * 1000 + i)
                else:
                    made = await asyncio.to_thread(daily_bars, some, span)
                bars += (await store.write(series, made)).written
        return bars


def steps(symbols: Sequence[str], counts: Sequence[int]) -> list[Step]:
    """Return the steps by which a store comes to hold as many sessions, the newest of which is `LAST`."""
    days, made, before = sessions(counts[-1]), list[Step](), 0
    for count in counts:
        made.append(Step(symbols, days[before:count], days[:count]))
        before = count
    return made


async def time_reads(
    store: BarStore, series: BarSeries, symbols: Sequence[str], days: Sequence[date]
) -> dict[str, float]:
    """Return the milliseconds of reads of pages, charts and ingests: the better of two, where they are short."""
    start = datetime(days[0].year, days[0].month, days[0].day, tzinfo=UTC)
    last = datetime(days[-1].year, days[-1].month, days[-1].day, tzinfo=UTC) + timedelta(days=1)
    some, recent = symbols[:SLICE], max(start, last - timedelta(days=28))
    reads: dict[str, Callable[[], Awaitable[Any]]] = {
        "one symbol, the last 20 sessions": lambda: store.read(series, symbols[7], start=recent, end=last),
        "one symbol, all": lambda: store.read(series, symbols[7], start=start, end=last),
        "all symbols, one session": lambda: store.read_session(series, days[-1]),
        "newest of all symbols": lambda: store.latest(series),
        "last closes of 50": lambda: store.last_closes(series, some, before=days[-1]),
        "coverage of 5 sessions": lambda: store.coverage(series, first=days[-5:][0], last=days[-1]),
    }
    if series.interval is Interval.M1 and len(symbols) > _MOST_FOR_SESSION:
        # A million rows as JSON.
        del reads["all symbols, one session"]
    return {name: await _time(read) for name, read in reads.items()}


async def _time(read: Callable[[], Awaitable[Any]]) -> float:
    first = await _clock(read)
    return first if first > _LONG_MS else min(first, await _clock(read))


async def _clock(work: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1000


@dataclass(frozen=True, slots=True)
class Bars:
    """A server or a folder to measure; CPU and memory are those of a server's process."""

    store: BarStore
    root: Path
    process: psutil.Process | None = None
    is_compacted: bool = False

    async def step(self, step: Step, series: BarSeries) -> Held:
        """Write, read, and return what that took and left."""
        before, began = self._cpu_s(), time.perf_counter()
        bars = await step.write(self.store, series)
        seconds, cpu_s = time.perf_counter() - began, self._cpu_s() - before
        if self.is_compacted:
            await self._settle()
        memory = self.process.memory_info().rss / 2**20 if self.process else 0.0
        held = bars // len(step.days) * len(step.all_days)
        reads_ms = await time_reads(self.store, series, step.symbols, step.all_days)
        return Held(len(step.symbols), bars, held, seconds, cpu_s, memory, self._disk_bytes(), reads_ms)

    async def _settle(self) -> None:
        before = -1
        while (now := self._disk_bytes()) != before:
            before = now
            await asyncio.sleep(4)

    def _disk_bytes(self) -> int:
        """Return the bytes of the files of bars, without logs and indexes."""
        pattern = "*.tsm" if self.process else "*.sqlite"
        return weigh(self.root, pattern)

    def _cpu_s(self) -> float:
        times = (self.process or psutil.Process()).cpu_times()
        return float(times.user + times.system)


async def measure_steps(bars: Bars, series: BarSeries, steps: Sequence[Step]) -> list[Held]:
    """Return what is held and taken after each step, each upon the one before."""
    return [await bars.step(step, series) for step in steps]


def open_influx(server: Influxd, root: Path, *, shard: str = "") -> InfluxBarStore:
    """Return a store on three new databases, whose shards last as long; a week where nothing is said."""
    buckets = InfluxBuckets(*(server.make_database() for _ in range(3)))
    for name in buckets.names() if shard else ():
        server.command(f'ALTER RETENTION POLICY "autogen" ON "{name}" SHARD DURATION {shard}')
    return make_store(InfluxTarget(server.url, "", "", InfluxApi.V1), buckets, root / "refused.jsonl")


@contextmanager
def quick_to_compact() -> Iterator[None]:
    """Have a server write its cache to files, and these to their final form, when they are left alone for seconds.

    By default it waits for ten minutes, and for four hours.
    """
    settings = {"CACHE_SNAPSHOT_WRITE_COLD_DURATION": "2s", "COMPACT_FULL_WRITE_COLD_DURATION": "2s"}
    names = {f"INFLUXDB_DATA_{name}": value for name, value in settings.items()}
    os.environ.update(names)
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]


async def measure_influx(
    root: Path, series: BarSeries, steps: Sequence[Step], *, shard: str = "", is_compacted: bool = False
) -> list[Held]:
    """Measure an InfluxDB step by step; where the bytes count, as soon as they are in their final form."""
    with quick_to_compact() if is_compacted else nullcontext(), influxd(root) as server:
        store = open_influx(server, root, shard=shard)
        bars = Bars(store, root, psutil.Process(server.process.pid), is_compacted)
        found = await measure_steps(bars, series, steps)
        await store.close()
    return found
