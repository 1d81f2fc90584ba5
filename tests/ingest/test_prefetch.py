"""The next symbols are asked for while the bars of these are written; what is under way is never left behind."""

import asyncio
from datetime import date

import pytest

from kaboom.bars.memory import MemoryActionStore, MemoryBarStore
from kaboom.bars.store import WriteReport
from kaboom.errors import RateLimited
from kaboom.ingest.plan import IngestChunk
from kaboom.ingest.runner import run_chunk
from kaboom.ingest.window import IngestTools
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.outcome import OutcomeReport
from kaboom.providers.base import BarRequest, FetchedBars
from tests.fixtures.bars.raw_bars import NOW
from tests.fixtures.providers.fake_providers import FakeProvider, fail_with, give

SYMBOLS = ("1301", "1332", "7203", "6758", "9984")
CHUNK = IngestChunk(Interval.M1, SYMBOLS, (date(2025, 11, 4),))


class SlowProvider(FakeProvider):
    """A provider of which a call ends when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked_again, self.open = asyncio.Event(), asyncio.Event()
        self.cut_off = 0

    async def fetch_bars(self, request: BarRequest) -> FetchedBars:
        """Answer the first call at once, and wait in the others."""
        answer = await super().fetch_bars(request)
        try:
            if len(self.requests) > 1:
                self.is_asked_again.set()
                await self.open.wait()
        except asyncio.CancelledError:
            self.cut_off += 1
            raise
        return answer


class OpeningStore(MemoryBarStore):
    """A store whose first write lets the provider's second call end, and waits for that call to have begun."""

    def __init__(self, provider: SlowProvider) -> None:
        super().__init__()
        self._provider = provider

    async def write(self, series: BarSeries, bars: object) -> WriteReport:
        """Write, once the next slice is asked for: a runner that asks afterwards never gets here."""
        async with asyncio.timeout(10):
            await self._provider.is_asked_again.wait()
        self._provider.open.set()
        return await super().write(series, bars)  # type: ignore[arg-type]


def tools(provider: FakeProvider, store: MemoryBarStore) -> IngestTools:
    known = (MemoryActionStore(), Market.TSE_PRIME, frozenset[str]())
    return IngestTools(provider, store, *known, lambda: NOW, patience_s=60.0)


def test_the_next_slice_is_asked_for_while_this_one_is_written() -> None:
    async def run() -> OutcomeReport:
        provider = SlowProvider()
        return await run_chunk(CHUNK, tools(provider, OpeningStore(provider)))

    report = asyncio.run(run())
    assert tuple(o.symbol for o in report.outcomes) == SYMBOLS


def test_what_is_under_way_when_a_chunk_is_stopped_is_cut_off() -> None:
    async def run() -> tuple[OutcomeReport, int]:
        provider, answers = SlowProvider(), iter([False, True])
        report = await run_chunk(CHUNK, tools(provider, MemoryBarStore()), should_stop=lambda: next(answers))
        return report, provider.cut_off

    report, cut_off = asyncio.run(run())
    assert tuple(o.symbol for o in report.outcomes) == SYMBOLS[:2]
    assert cut_off == 1


def test_a_prefetched_pause_is_reported_after_earlier_bars_are_durable() -> None:
    heard: list[int] = []
    provider = FakeProvider(give, *[fail_with(RateLimited("status was 429", retry_after_s=40.0))] * 3)
    with pytest.raises(RateLimited, match="429"):
        asyncio.run(
            run_chunk(
                CHUNK, tools(provider, MemoryBarStore()), on_progress=lambda report: heard.append(len(report.outcomes))
            )
        )
    assert heard == [2]
