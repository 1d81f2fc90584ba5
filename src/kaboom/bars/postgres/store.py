"""The bar store of a team: compressed pages in tables of PostgreSQL, shared by all processes that reach it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from kaboom.bars.pages.store import PageThreads
from kaboom.bars.postgres import history as past
from kaboom.bars.postgres.compact import begin_history, compact_shard, count_older, list_dated
from kaboom.bars.postgres.fetch_log import load_fetch_log, save_fetch_log
from kaboom.bars.postgres.history import Past
from kaboom.bars.postgres.quarantine import read_quarantine, release_quarantine, write_quarantine
from kaboom.bars.postgres.read import coverage, last_closes, latest, read_bars, read_sessions
from kaboom.bars.postgres.repair import repair
from kaboom.bars.postgres.tables import BarTables, count_writes
from kaboom.bars.postgres.verify import list_series, verify
from kaboom.bars.postgres.write import write_bars
from kaboom.bars.store import Compaction, OldBars, RepairedItem, StoreHealth, WriteReport
from kaboom.drivers.clock import Clock, utc_now
from kaboom.drivers.postgres.blocking import BlockingDatabase
from kaboom.drivers.stop import ShouldStop, never
from kaboom.market.bar import BarSeries


class PostgresBarStore:
    """Bars in the PostgreSQL database of the ledger; `docs/reference/bar-store-format.md` describes the pages.

    Nothing is opened before the first call, so a store that was built before a fork works in both processes. A write is
    one transaction. Replaced bars are kept for `history_days`, by default forever; a compaction drops older ones.
    Moments are those of the server's clock, unless a clock is given.
    """

    def __init__(
        self, database: BlockingDatabase, *, history_days: int | None = None, clock: Clock | None = None
    ) -> None:
        self._tables = BarTables(database)
        self._threads = PageThreads()
        self._history_days = history_days
        self._clock = clock

    async def write(self, series: BarSeries, bars: pl.DataFrame) -> WriteReport:
        return await self._threads.write(write_bars, self._tables, series, bars, clock=self._clock)

    def known_at(self, moment: datetime) -> "PostgresReader":
        return PostgresReader(Past(self._tables, moment, self._clock), self._threads)

    async def quarantine(self, series: BarSeries, rows: pl.DataFrame) -> int:
        return await self._threads.write(write_quarantine, self._tables, series, rows)

    async def release(self, series: BarSeries, rows: pl.DataFrame) -> int:
        return await self._threads.write(release_quarantine, self._tables, series, rows)

    async def read_quarantine(self, series: BarSeries, symbol: str | None = None) -> pl.DataFrame:
        return await self._threads.read(read_quarantine, self._tables, series, symbol=symbol)

    async def read(self, series: BarSeries, symbol: str, *, start: datetime, end: datetime) -> pl.DataFrame:
        return await self._threads.read(read_bars, self._tables, series, symbol=symbol, start=start, end=end)

    async def read_session(self, series: BarSeries, session: date) -> pl.DataFrame:
        return await self.read_sessions(series, first=session, last=session)

    async def read_sessions(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        return await self._threads.read(read_sessions, self._tables, series, first=first, last=last)

    async def latest(self, series: BarSeries, symbols: Sequence[str] = ()) -> pl.DataFrame:
        return await self._threads.read(latest, self._tables, series, symbols)

    async def last_closes(self, series: BarSeries, symbols: Sequence[str], *, before: date) -> dict[str, float]:
        return await self._threads.read(last_closes, self._tables, series, symbols, before=before)

    async def coverage(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        return await self._threads.read(coverage, self._tables, series, first=first, last=last)

    async def save_fetch_log(self, series: BarSeries, fetches: pl.DataFrame) -> None:
        await self._threads.write(save_fetch_log, self._tables, series, fetches)

    async def load_fetch_log(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        return await self._threads.read(load_fetch_log, self._tables, series, first=first, last=last)

    async def list_series(self) -> tuple[BarSeries, ...]:
        return await self._threads.read(list_series, self._tables)

    async def version(self) -> str | None:
        return await self._threads.read(count_writes, self._tables)

    async def verify(self) -> StoreHealth:
        return await self._threads.read(verify, self._tables)

    async def repair(self, *, is_dry: bool) -> tuple[RepairedItem, ...]:
        return await self._threads.write(repair, self._tables, is_dry=is_dry)

    async def shards(self, series: BarSeries) -> tuple[str, ...]:
        return await self._threads.read(list_dated, self._tables, series)

    async def older(self, series: BarSeries, shard: str, *, before: date) -> OldBars:
        return await self._threads.read(count_older, self._tables, series, shard, before=before)

    async def compact(
        self, series: BarSeries, shard: str, *, before: date | None, should_stop: ShouldStop = never
    ) -> Compaction:
        now = utc_now() if self._clock is None else self._clock()
        history_from = now - timedelta(days=self._history_days) if self._history_days else None
        return await self._threads.write(
            compact_shard,
            self._tables,
            series,
            shard,
            before=before,
            history_from=history_from,
            should_stop=should_stop,
        )

    async def begin_history(self, series: BarSeries, moment: datetime) -> None:
        await self._threads.write(begin_history, self._tables, series, moment)

    async def close(self) -> None:
        await self._threads.close()
        self._tables.database.close()


@dataclass(frozen=True, slots=True)
class PostgresReader:
    """The bars of a PostgreSQL store as they were known at a moment."""

    past: Past
    threads: PageThreads

    async def read(self, series: BarSeries, symbol: str, *, start: datetime, end: datetime) -> pl.DataFrame:
        return await self.threads.read(past.read_bars, self.past, series, symbol=symbol, start=start, end=end)

    async def read_session(self, series: BarSeries, session: date) -> pl.DataFrame:
        return await self.read_sessions(series, first=session, last=session)

    async def read_sessions(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        return await self.threads.read(past.read_sessions, self.past, series, first=first, last=last)

    async def latest(self, series: BarSeries, symbols: Sequence[str] = ()) -> pl.DataFrame:
        return await self.threads.read(past.latest, self.past, series, symbols)

    async def coverage(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        return await self.threads.read(past.coverage, self.past, series, first=first, last=last)
