"""The client for asyncio: each call of `Kaboom` in a thread, so that the loop goes on meanwhile."""

from asyncio import to_thread
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Self, Unpack

from kaboom.client.backtests import Backtest, BacktestOptions
from kaboom.client.client import Kaboom
from kaboom.client.jobs import Job
from kaboom.client.source import BarOptions, IntervalName, Span, When
from kaboom.client.symbols import Symbol, Symbols

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class AsyncJob:
    """A `Job` for asyncio; `job` has its record."""

    job: Job

    async def refresh(self) -> Self:
        """Look again, and return the job; see `Job.refresh`."""
        await to_thread(self.job.refresh)
        return self

    async def wait(self, *, progress: bool = False, timeout_s: float | None = None) -> Self:
        """Return the job when it has ended well; see `Job.wait`."""
        await to_thread(self.job.wait, progress=progress, timeout_s=timeout_s)
        return self


@dataclass(frozen=True, slots=True)
class AsyncKaboom:
    """A `Kaboom` for asyncio, which `connect_async` makes; `sync` is the one for threads."""

    sync: Kaboom

    async def bars(
        self,
        symbols: Symbols | None = None,
        interval: IntervalName = "1d",
        start: When | None = None,
        end: When | None = None,
        **options: Unpack[BarOptions],
    ) -> "pl.DataFrame":
        """Return bars; see `Kaboom.bars`."""
        return await to_thread(self.sync.bars, symbols, interval, start, end, **options)

    async def closes(
        self,
        symbols: Symbols | None = None,
        interval: IntervalName = "1d",
        start: When | None = None,
        end: When | None = None,
        **options: Unpack[BarOptions],
    ) -> "pl.DataFrame":
        """Return closes, a column for each symbol; see `Kaboom.closes`."""
        return await to_thread(self.sync.closes, symbols, interval, start, end, **options)

    async def universe(self, market: str = "TSE_PRIME", session: date | None = None) -> "pl.DataFrame":
        """Return the listings of a market; see `Kaboom.universe`."""
        return await to_thread(self.sync.universe, market, session)

    async def calendar(self, first: date, last: date | None = None) -> "pl.DataFrame":
        """Return sessions and their hours; see `Kaboom.calendar`."""
        return await to_thread(self.sync.calendar, first, last)

    async def coverage(
        self, interval: IntervalName = "1d", first: date | None = None, last: date | None = None, **which: Any
    ) -> "pl.DataFrame":
        """Return what is held; see `Kaboom.coverage`."""
        return await to_thread(self.sync.coverage, interval, first, last, **which)

    async def indicators(
        self, symbol: Symbol, names: Sequence[str], interval: IntervalName = "1d", **span: Unpack[Span]
    ) -> "pl.DataFrame":
        """Return bars with indicators; see `Kaboom.indicators`."""
        return await to_thread(self.sync.indicators, symbol, names, interval, **span)

    async def fundamentals(
        self, symbol: Symbol | None = None, *, as_of: When | None = None, provider: str | None = None
    ) -> "pl.DataFrame":
        """Return statements; see `Kaboom.fundamentals`."""
        return await to_thread(self.sync.fundamentals, symbol, as_of=as_of, provider=provider)

    async def submit(self, task: str, **request: Any) -> AsyncJob:
        """Submit a job; see `Kaboom.submit`."""
        return AsyncJob(await to_thread(self.sync.submit, task, **request))

    async def backtest(
        self,
        strategy: str,
        symbols: Symbols | None = None,
        *,
        progress: bool = False,
        timeout_s: float | None = None,
        **request: Unpack[BacktestOptions],
    ) -> Backtest:
        """Run a strategy, and return what it found; see `Kaboom.backtest`."""
        return await to_thread(self.sync.backtest, strategy, symbols, progress=progress, timeout_s=timeout_s, **request)

    async def factor_report(self, expression: str, symbols: Symbols | None = None, **request: Any) -> Mapping[str, Any]:
        """Measure a factor; see `Kaboom.factor_report`."""
        return await to_thread(self.sync.factor_report, expression, symbols, **request)

    async def analyse(self, symbols: Symbols, **request: Any) -> Mapping[str, Any]:
        """Analyse symbols; see `Kaboom.analyse`."""
        return await to_thread(self.sync.analyse, symbols, **request)
