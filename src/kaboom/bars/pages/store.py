"""The embedded bar store: compressed pages in SQLite files, shared by the processes of one machine."""

import asyncio
import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

import polars as pl

from kaboom.bars.coverage.fetch_log import RUN_SCHEMA, from_runs, to_runs
from kaboom.bars.folder.connection import has_table, store_errors
from kaboom.bars.normalise import to_day, to_session
from kaboom.bars.pages.compact import compact_shard, count_older
from kaboom.bars.pages.files import ALL, PageFile, PageFiles
from kaboom.bars.pages.headers import coverage, last_closes, latest, rank_symbols, read_columns, sort_by_symbol
from kaboom.bars.pages.history import read as past
from kaboom.bars.pages.history.read import Past
from kaboom.bars.pages.quarantine import read_quarantine, release_quarantine, write_quarantine
from kaboom.bars.pages.read import dated_shards, read_bars, read_session, read_sessions, shards_between, within_month
from kaboom.bars.pages.repair.run import repair
from kaboom.bars.pages.schema import CREATE_FETCH_LOG
from kaboom.bars.pages.sound import name_symbols
from kaboom.bars.pages.verify import holds_anything, verify
from kaboom.bars.pages.write import give_sids, transaction, write_bars
from kaboom.bars.space import check_folder_space
from kaboom.bars.store import FETCH_LOG_SCHEMA, Compaction, OldBars, RepairedItem, StoreHealth, WriteReport
from kaboom.drivers.clock import Clock, utc_now
from kaboom.drivers.stop import ShouldStop, never
from kaboom.errors import StoreError
from kaboom.market.bar import BarSeries

_READERS = 2
# A run within the new one is older.
_DROP = "DELETE FROM asked WHERE sid = ? AND first >= ? AND last <= ?"
_PUT = "INSERT INTO asked (sid, first, last, bars, at) VALUES (?, ?, ?, ?, ?)"
#: The columns of `RUN_SCHEMA`, and which rows have a day of a range.
_GET = ("sid", "first", "last", "bars", "at")
_WITHIN = "asked WHERE first <= ? AND last >= ?"


class PageThreads:
    """One writer thread and two reader threads, started on first use, and again in a forked child."""

    def __init__(self) -> None:
        self._pools: tuple[int, ThreadPoolExecutor, ThreadPoolExecutor] | None = None
        self._closed = False

    async def write[**P, T](self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run work in the writer thread, so that two writers of one process never wait for each other's lock."""
        return await asyncio.get_running_loop().run_in_executor(self._pool(1), partial(work, *args, **kwargs))

    async def read[**P, T](self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run work in a reader thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool(2), partial(work, *args, **kwargs))

    async def close(self) -> None:
        """Wait for the running work, then stop the threads of this process."""
        self._closed = True
        pools, self._pools = self._pools, None
        if pools is not None and pools[0] == os.getpid():
            for pool in pools[1:]:
                await asyncio.to_thread(pool.shutdown)

    def _pool(self, which: int) -> ThreadPoolExecutor:
        if self._closed:
            raise StoreError("the bar store is closed", retryable=False)
        if self._pools is None or self._pools[0] != os.getpid():
            writer = ThreadPoolExecutor(1, thread_name_prefix="bars-write")
            readers = ThreadPoolExecutor(_READERS, thread_name_prefix="bars-read")
            self._pools = (os.getpid(), writer, readers)
        return self._pools[1] if which == 1 else self._pools[2]


class PageBarStore:
    """Bars in a folder on a local disk (not NFS); `docs/reference/bar-store-format.md` describes the format.

    Any number of processes may share the folder. Nothing is opened before the first call, so a store that was built
    before a fork works in both processes. Bars of several months are committed file by file. Replaced bars are kept for
    `history_days`, by default forever; a compaction drops older ones.
    """

    def __init__(self, root: Path, *, history_days: int | None = None, clock: Clock = utc_now) -> None:
        self._files = PageFiles(root)
        self._threads = PageThreads()
        self._history_days = history_days
        self._clock = clock

    async def write(self, series: BarSeries, bars: pl.DataFrame) -> WriteReport:
        return await self._threads.write(write_bars, self._files, series, bars, clock=self._clock)

    def known_at(self, moment: datetime) -> "PageReader":
        return PageReader(Past(self._files, moment, self._clock), self._threads)

    async def quarantine(self, series: BarSeries, rows: pl.DataFrame) -> int:
        return await self._threads.write(write_quarantine, self._files, series, rows)

    async def release(self, series: BarSeries, rows: pl.DataFrame) -> int:
        return await self._threads.write(release_quarantine, self._files, series, rows)

    async def read_quarantine(self, series: BarSeries, symbol: str | None = None) -> pl.DataFrame:
        return await self._threads.read(read_quarantine, self._files, series, symbol=symbol)

    async def read(self, series: BarSeries, symbol: str, *, start: datetime, end: datetime) -> pl.DataFrame:
        return await self._threads.read(read_bars, self._files, series, symbol=symbol, start=start, end=end)

    async def read_session(self, series: BarSeries, session: date) -> pl.DataFrame:
        return await self._threads.read(read_session, self._files, series, session)

    async def read_sessions(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        return await self._threads.read(read_sessions, self._files, series, first=first, last=last)

    async def latest(self, series: BarSeries, symbols: Sequence[str] = ()) -> pl.DataFrame:
        return await self._threads.read(latest, self._files, series, symbols=symbols)

    async def last_closes(self, series: BarSeries, symbols: Sequence[str], *, before: date) -> dict[str, float]:
        return await self._threads.read(last_closes, self._files, series, symbols=symbols, before=before)

    async def coverage(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        return await self._threads.read(coverage, self._files, series, first=first, last=last)

    async def save_fetch_log(self, series: BarSeries, fetches: pl.DataFrame) -> None:
        await self._threads.write(save_fetch_log, self._files, series, fetches)

    async def load_fetch_log(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        return await self._threads.read(load_fetch_log, self._files, series, first=first, last=last)

    async def list_series(self) -> tuple[BarSeries, ...]:
        return await self._threads.read(_list_series, self._files)

    async def version(self) -> str | None:
        return await self._threads.read(_find_version, self._files)

    async def verify(self) -> StoreHealth:
        return await self._threads.read(verify, self._files)

    async def check_space(self) -> None:
        await self._threads.write(check_folder_space, self._files.root)

    async def shards(self, series: BarSeries) -> tuple[str, ...]:
        return tuple(await self._threads.read(dated_shards, self._files, series))

    async def older(self, series: BarSeries, shard: str, *, before: date) -> OldBars:
        return await self._threads.read(count_older, self._files, series, shard, before=before)

    async def compact(
        self, series: BarSeries, shard: str, *, before: date | None, should_stop: ShouldStop = never
    ) -> Compaction:
        history_from = self._clock() - timedelta(days=self._history_days) if self._history_days else None
        return await self._threads.write(
            compact_shard,
            self._files,
            series,
            shard,
            before=before,
            history_from=history_from,
            should_stop=should_stop,
        )

    async def repair(self, *, is_dry: bool) -> tuple[RepairedItem, ...]:
        return await self._threads.write(repair, self._files, at=utc_now(), is_dry=is_dry)

    async def close(self) -> None:
        await self._threads.close()
        self._files.close()


@dataclass(frozen=True, slots=True)
class PageReader:
    """The bars of a page store as they were known at a moment."""

    past: Past
    threads: PageThreads

    async def read(self, series: BarSeries, symbol: str, *, start: datetime, end: datetime) -> pl.DataFrame:
        return await self.threads.read(past.read_bars, self.past, series, symbol=symbol, start=start, end=end)

    async def read_session(self, series: BarSeries, session: date) -> pl.DataFrame:
        return await self.read_sessions(series, first=session, last=session)

    async def read_sessions(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        return await self.threads.read(past.read_sessions, self.past, series, first=first, last=last)

    async def latest(self, series: BarSeries, symbols: Sequence[str] = ()) -> pl.DataFrame:
        return await self.threads.read(past.latest, self.past, series, symbols=symbols)

    async def coverage(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        return await self.threads.read(past.coverage, self.past, series, first=first, last=last)


def _list_series(files: PageFiles) -> tuple[BarSeries, ...]:
    return tuple(s for s in files.series() if holds_anything(files, s))


def _find_version(files: PageFiles) -> str:
    """Return a digest of the state of every file and its log, which each commit changes."""
    states = []
    with store_errors(files.root):
        for path in sorted(files.root.glob("*/*/*.sqlite*")):
            with suppress(FileNotFoundError):  # the log of a file that was closed a moment ago
                stat = path.stat()
                # Readers make and remove empty logs, and change the shared memory of a log.
                if stat.st_size and not path.name.endswith("-shm"):
                    states.append((str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return hashlib.sha256(repr(states).encode()).hexdigest()


def save_fetch_log(files: PageFiles, series: BarSeries, fetches: pl.DataFrame) -> None:
    """Keep entries in `FETCH_LOG_SCHEMA`, each in the file of its month."""
    month = pl.col("session").dt.strftime("%Y-%m") if series.interval.is_intraday else pl.lit(ALL)
    parts = fetches.with_columns(shard=month).partition_by("shard", include_key=False, as_dict=True)
    for (shard,), part in parts.items():
        runs = to_runs(part)
        file = files.open_or_create(files.path(series, shard))
        with _without_sync(file), transaction(file) as sql:
            _put(file, sql, runs)


def load_fetch_log(files: PageFiles, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
    """Return the newest entry of each symbol and session in `FETCH_LOG_SCHEMA`."""
    if first > last:
        return pl.DataFrame(schema=FETCH_LOG_SCHEMA)
    days = to_day(first), to_day(last)
    shards = shards_between(files, series, *days)
    found = [_load(files, series, shard, within_month(shard, days)) for shard in shards]
    both = pl.concat([pl.DataFrame(schema=FETCH_LOG_SCHEMA), *found])
    return sort_by_symbol(both) if len(found) > 1 else both


def _load(files: PageFiles, series: BarSeries, shard: str, days: tuple[int, int]) -> pl.DataFrame:
    with files.opened(series, shard) as file:
        # Files of older versions have no log until its first entry.
        if file is None or not has_table(file.sql, "asked"):
            return pl.DataFrame(schema=FETCH_LOG_SCHEMA)
        return file.remember("asked", days, lambda: _load_days(file.sql, days))


def _load_days(sql: sqlite3.Connection, days: tuple[int, int]) -> pl.DataFrame:
    ranked, names = rank_symbols(sql, read_columns(sql, _GET, _WITHIN, days[::-1]))
    ranked.columns = list(RUN_SCHEMA)
    runs = ranked.with_columns(pl.col("first", "last").cast(pl.Int32)).cast(
        pl.Schema({**RUN_SCHEMA, "symbol": pl.UInt32()})
    )
    return name_symbols(from_runs(runs, first=to_session(days[0]), last=to_session(days[1])), names)


def _put(file: PageFile, sql: sqlite3.Connection, runs: pl.DataFrame) -> None:
    sql.execute(CREATE_FETCH_LOG)
    sids = give_sids(file, runs["symbol"].to_list())
    first, last, bars, at = (runs[name].to_physical().to_list() for name in ("first", "last", "bars", "asked_at"))
    sql.executemany(_DROP, zip(sids, first, last, strict=True))
    sql.executemany(_PUT, zip(sids, first, last, bars, at, strict=True))


@contextmanager
def _without_sync(file: PageFile) -> Iterator[None]:
    """Commit without waiting for the disk: entries lost in a power cut only cost another request."""
    with store_errors(file.path):
        file.sql.execute("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            file.sql.execute("PRAGMA synchronous = FULL")
