"""The embedded bar store: compressed pages in SQLite files, shared by the processes of one machine."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from kaboom.bars.compaction import Compaction, OldBars
from kaboom.bars.folder.errors import store_errors
from kaboom.bars.pages.compact import compact_shard, count_older
from kaboom.bars.pages.coverage import coverage
from kaboom.bars.pages.fetch_log import load_fetch_log, save_fetch_log
from kaboom.bars.pages.files import PageFiles
from kaboom.bars.pages.history import read as past
from kaboom.bars.pages.history.read import Past
from kaboom.bars.pages.newest import last_closes, latest
from kaboom.bars.pages.quarantine import read_quarantine, release_quarantine, write_quarantine
from kaboom.bars.pages.read import dated_shards, read_bars, read_session, read_sessions
from kaboom.bars.pages.repair.port import RepairedItem
from kaboom.bars.pages.repair.run import repair
from kaboom.bars.pages.threads import PageThreads
from kaboom.bars.pages.verify import holds_anything, verify
from kaboom.bars.pages.write import write_bars
from kaboom.bars.space import check_folder_space
from kaboom.bars.store import StoreHealth, WriteReport
from kaboom.drivers.clock import Clock, utc_now
from kaboom.drivers.stop import ShouldStop, never
from kaboom.market.bar import BarSeries


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
