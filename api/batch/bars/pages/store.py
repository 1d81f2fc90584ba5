"""The embedded bar store: compressed pages in SQLite files, shared by the processes of one machine."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import polars as pl

from batch.bars.compaction import Compaction, OldBars
from batch.bars.pages.asked import load_asked, save_asked
from batch.bars.pages.compact import compact_shard, count_older
from batch.bars.pages.cover import coverage, last_closes, latest
from batch.bars.pages.files import PageFiles
from batch.bars.pages.quarantine import read_quarantine, write_quarantine
from batch.bars.pages.read import dated_shards, read_bars, read_session
from batch.bars.pages.repair.port import Mended
from batch.bars.pages.repair.run import repair
from batch.bars.pages.threads import PageThreads
from batch.bars.pages.verify import checkpoint, holds_anything, verify
from batch.bars.pages.write import write_bars
from batch.bars.probe import try_folder
from batch.bars.store import StoreHealth, WriteReport
from batch.kit.clock import utc_now
from batch.kit.stop import ShouldStop, never
from batch.market.bar import BarSeries


class PageBarStore:
    """Bars under a folder of a local disk (not NFS); `docs/reference/bar-store-format.md` has its format.

    Any number of processes may share the folder. Nothing is opened before the first call, so a store made
    before a fork works in both processes.
    """

    def __init__(self, root: Path) -> None:
        self._files = PageFiles(root)
        self._threads = PageThreads()

    async def write(self, series: BarSeries, bars: pl.DataFrame) -> WriteReport:
        """Store bars in `BAR_SCHEMA`; when it returns they have reached the disk.

        Bars of several months lie in several files, committed one after the other: when it raises, some may
        be stored, none is acknowledged, and writing them again is safe.

        Raises:
            InvalidRequest: the source's name is not a plain lower-case name.
            StoreError: nothing was acknowledged; `retryable` says whether to try again.

        """
        return await self._threads.write(write_bars, self._files, series, bars)

    async def quarantine(self, series: BarSeries, rows: pl.DataFrame) -> int:
        """Keep refused rows in `QUARANTINE_SCHEMA` apart and return how many were not there before."""
        return await self._threads.write(write_quarantine, self._files, series, rows)

    async def read_quarantine(self, series: BarSeries, symbol: str | None = None) -> pl.DataFrame:
        """Return refused rows in `QUARANTINE_SCHEMA`, sorted by symbol, then opened_at."""
        return await self._threads.read(read_quarantine, self._files, series, symbol=symbol)

    async def read(self, series: BarSeries, symbol: str, *, start: datetime, end: datetime) -> pl.DataFrame:
        """Return one symbol's bars with `start <= opened_at < end` (aware datetimes)."""
        return await self._threads.read(read_bars, self._files, series, symbol=symbol, start=start, end=end)

    async def read_session(self, series: BarSeries, session: date) -> pl.DataFrame:
        """Return every symbol's bars of one session."""
        return await self._threads.read(read_session, self._files, series, session)

    async def latest(self, series: BarSeries, symbols: Sequence[str] = ()) -> pl.DataFrame:
        """Return the newest bar of every symbol, or of those named, one row each, sorted by symbol."""
        return await self._threads.read(latest, self._files, series, symbols=symbols)

    async def last_closes(self, series: BarSeries, symbols: Sequence[str], *, before: date) -> dict[str, float]:
        """Return each symbol's last close in a session before `before`; a symbol without one is left out."""
        return await self._threads.read(last_closes, self._files, series, symbols=symbols, before=before)

    async def coverage(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        """Return what is held from `first` to `last` inclusive, in `COVERAGE_SCHEMA`."""
        return await self._threads.read(coverage, self._files, series, first=first, last=last)

    async def save_asked(self, series: BarSeries, asked: pl.DataFrame) -> None:
        """Keep what a provider answered, in `ASKED_SCHEMA`; survives a crash, and mostly a power cut."""
        await self._threads.write(save_asked, self._files, series, asked)

    async def load_asked(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        """Return the newest answer on each symbol and session in `ASKED_SCHEMA`, sorted by both."""
        return await self._threads.read(load_asked, self._files, series, first=first, last=last)

    async def list_series(self) -> tuple[BarSeries, ...]:
        """Return the series that hold a bar or a refused row, sorted."""
        return await self._threads.read(_list_series, self._files)

    async def verify(self) -> StoreHealth:
        """Read every page back and compare it with its checksum and its header."""
        return await self._threads.read(verify, self._files)

    async def probe(self) -> None:
        """Raise StoreError where the disk has no room for a few more bars."""
        await self._threads.write(try_folder, self._files.root)

    async def checkpoint(self) -> None:
        """Fold the write-ahead logs into their files; worth doing once a night."""
        await self._threads.write(checkpoint, self._files)

    async def shards(self, series: BarSeries) -> tuple[str, ...]:
        """Return the names of a series' files that can hold bars, oldest first."""
        return tuple(await self._threads.read(dated_shards, self._files, series))

    async def older(self, series: BarSeries, shard: str, *, before: date) -> OldBars:
        """Return what a file holds of sessions before a day; of daily bars, of years before that day's."""
        return await self._threads.read(count_older, self._files, series, shard, before=before)

    async def compact(
        self, series: BarSeries, shard: str, *, before: date | None, should_stop: ShouldStop = never
    ) -> Compaction:
        """Drop what a file holds of sessions before a day, if one is given, and give unused space back."""
        return await self._threads.write(
            compact_shard, self._files, series, shard, before=before, should_stop=should_stop
        )

    async def repair(self, *, is_dry: bool) -> tuple[Mended, ...]:
        """Set damaged pages and files aside, beside writers at work; in a dry run only look."""
        return await self._threads.write(repair, self._files, at=utc_now(), is_dry=is_dry)

    async def close(self) -> None:
        """Release files and threads; the store cannot be used after."""
        await self._threads.close()
        self._files.close()


def _list_series(files: PageFiles) -> tuple[BarSeries, ...]:
    return tuple(s for s in files.series() if holds_anything(files, s))
