"""Gaps from end to end: cut out of a store, found, and taken again from a provider that counts what it is asked."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from kaboom.bars.coverage.classify import CoverScope, summarise_sessions
from kaboom.bars.coverage.gaps import load_cells
from kaboom.bars.memory import MemoryActionStore, MemoryBarStore
from kaboom.bars.pages.store import PageBarStore
from kaboom.bars.store import BarStore
from kaboom.errors import ProviderError
from kaboom.ingest.plan import IngestPlan
from kaboom.ingest.request import BackfillRequest, IngestRequest
from kaboom.ingest.resolve import Planning, resolve_plan
from kaboom.ingest.run_daily import InProcessExecutor, resolve_backfill
from kaboom.ingest.window import IngestTools
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import closes_at, sessions_between
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.lists.universe import load_universe
from kaboom.market.outcome import Outcome, OutcomeReport
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.synthetic.provider import SyntheticProvider
from tests.fixtures.bars.holes import Surgeon, memory_surgeon, page_surgeon
from tests.fixtures.bars.kept_bars import read_series

pytestmark = pytest.mark.anyio
#: Six sessions around a holiday (3 November).
DAYS = sessions_between(date(2025, 10, 29), date(2025, 11, 6))
LAST = DAYS[-1]
NIGHT = datetime(2025, 11, 6, 12, tzinfo=UTC)
SERIES = BarSeries("synthetic", Interval.M1)
SYMBOLS = load_universe(Market.TSE_PRIME, LAST, imported_dir=Path("none")).symbols[:40]
#: The 20 symbols that lose a session, and the 5 that lose half of one.
HOLED, HALVED = SYMBOLS[5:25], SYMBOLS[30:35]


class Counting:
    """The synthetic provider, which remembers each symbol and session that it was asked for."""

    def __init__(self, now: datetime) -> None:
        self._inner = SyntheticProvider(seed=7, clock=lambda: now)
        self.name = self._inner.name
        self.capabilities = self._inner.capabilities
        self.asked: list[tuple[str, date]] = []
        self.requests = 0

    async def fetch_universe(self, market: Market, session: date) -> tuple[str, ...] | None:
        """As the synthetic one."""
        return await self._inner.fetch_universe(market, session)

    async def fetch_sessions(self, interval: Interval, count: int, until: date) -> tuple[date, ...] | None:
        """As the synthetic one."""
        return await self._inner.fetch_sessions(interval, count, until)

    async def fetch_bars(self, request: BarRequest) -> FetchedBars:
        """As the synthetic one, and count."""
        self.requests += 1
        self.asked += [(symbol, day) for symbol in request.symbols for day in request.sessions]
        return await self._inner.fetch_bars(request)

    async def close(self) -> None:
        """Do nothing."""


@dataclass
class Bench:
    """A store, a hand that cuts holes into it, and jobs at a time of day."""

    store: BarStore
    cut: Surgeon
    now: datetime = NIGHT
    provider: Counting = field(init=False)

    def planning(self) -> Planning:
        """Return what planning needs, now."""
        return Planning(lambda: self.now, Path("none"), 0.0, 4)

    async def ingest(self, intervals: dict[Interval, int] | None = None) -> OutcomeReport:
        """Take everything, as a daily job does."""
        request = IngestRequest(intervals=intervals or {Interval.M1: len(DAYS)}, symbols=tuple(SYMBOLS), session=LAST)
        self.provider = Counting(self.now)
        return await self._run(await resolve_plan(request, self.provider, self.planning()))

    async def plan(self, request: BackfillRequest | None = None) -> IngestPlan:
        """Plan a backfill."""
        self.provider = Counting(self.now)
        return await resolve_backfill(request or WHOLE, self.provider, self.store, self.planning())

    async def backfill(self, request: BackfillRequest | None = None) -> OutcomeReport:
        """Take what is missing."""
        return await self._run(await self.plan(request))

    async def judge(self, symbols: Sequence[str] = SYMBOLS) -> pl.DataFrame:
        """Judge every cell, now."""
        delay = self.provider.capabilities.delay
        return await load_cells(self.store, SERIES, CoverScope(symbols, DAYS, delay, self.now))

    async def _run(self, plan: IngestPlan) -> OutcomeReport:
        tools = IngestTools(
            self.provider, self.store, MemoryActionStore(), Market.TSE_PRIME, frozenset(), lambda: self.now
        )
        return await InProcessExecutor(tools).run(plan)


WHOLE = BackfillRequest(intervals={Interval.M1: len(DAYS)}, symbols=tuple(SYMBOLS), last=LAST)


@pytest.fixture(params=["pages", "memory"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    if request.param == "pages":
        store: BarStore = PageBarStore(tmp_path)
        yield Bench(store, page_surgeon(tmp_path))
    else:
        store = MemoryBarStore()
        yield Bench(store, memory_surgeon(store))
    await store.close()


def counted(cells: pl.DataFrame) -> dict[str, int]:
    return dict(cells.group_by(pl.col("state").cast(pl.String)).len().rows())


async def cut_both(bench: Bench) -> set[tuple[str, date]]:
    """Take one session of 20 symbols and half a session of 5; return the cells that had anything to lose."""
    held = await bench.store.coverage(SERIES, first=DAYS[0], last=LAST)
    bench.cut(SERIES, DAYS[2], HOLED, 0.0)
    bench.cut(SERIES, DAYS[4], HALVED, 0.5)
    cells = set(held.select("symbol", "session").rows())
    return {(s, day) for names, day in ((HOLED, DAYS[2]), (HALVED, DAYS[4])) for s in names if (s, day) in cells}


async def test_exactly_what_was_lost_is_taken_again(bench: Bench) -> None:
    await bench.ingest()
    undisturbed = await read_series(bench.store, SERIES)
    assert not set(counted(await bench.judge())) & {"missing", "lost", "not_final"}

    lost = await cut_both(bench)
    assert len(lost) >= 23
    found = await bench.judge()
    seen = found.filter(pl.col("state").cast(pl.String).is_in(["missing", "lost"]))
    assert set(seen.select("symbol", "session").rows()) == lost

    report = await bench.backfill()

    assert sorted(bench.provider.asked) == sorted(lost)
    assert bench.provider.requests <= 3
    assert len(report.outcomes) == len(lost)
    assert report.by_outcome()[Outcome.OK] == len(lost)
    assert_frame_equal(await read_series(bench.store, SERIES), undisturbed)
    assert not set(counted(await bench.judge())) & {"missing", "lost", "not_final"}


async def test_where_nothing_is_missing_nothing_is_planned(bench: Bench) -> None:
    await bench.ingest()
    plan = await bench.plan()
    assert plan.chunks == ()
    summary = plan.summary()
    assert (summary["chunks"], summary["gaps"]["1m"]["message"]) == (0, "nothing is missing")
    assert await bench.backfill() == OutcomeReport()
    assert bench.provider.requests == 0


async def test_what_never_was_taken_is_missing(bench: Bench) -> None:
    report = await bench.backfill()
    assert sorted(bench.provider.asked) == sorted((s, day) for s in SYMBOLS for day in DAYS)
    assert len(report.outcomes) == len(SYMBOLS)
    assert (await bench.plan()).chunks == ()


async def test_a_session_taken_too_early_is_taken_again(bench: Bench) -> None:
    # Closed, and within the provider's delay.
    bench.now = closes_at(LAST) + timedelta(seconds=30)
    await bench.ingest()
    early = await bench.judge()
    assert counted(early.filter(pl.col("session") == LAST)) == {"pending": len(SYMBOLS)}
    assert (await bench.plan()).chunks == ()

    bench.now = NIGHT
    held = (await bench.judge()).filter(pl.col("session") == LAST)
    assert set(counted(held)) <= {"not_final", "missing"}
    await bench.backfill()
    assert {day for _, day in bench.provider.asked} == {LAST}
    assert len(bench.provider.asked) == len(SYMBOLS)
    assert (await bench.plan()).chunks == ()


async def test_short_sessions_are_taken_where_they_are_asked_for(bench: Bench) -> None:
    await bench.ingest()
    names = [s for s, bars in (await bench.judge()).group_by("symbol").agg(pl.col("bars").min()).rows() if bars > 60]
    bench.cut(SERIES, DAYS[-1], names[:1], 0.5)
    bench.cut(SERIES, DAYS[-1], names[:1], 0.5)
    # As if only this had ever been given.
    asked = await bench.store.load_fetch_log(SERIES, first=LAST, last=LAST)
    await bench.store.save_fetch_log(SERIES, asked.with_columns(bars=pl.lit(1, pl.Int64)))

    with_short = WHOLE.model_copy(update={"include_short": True, "first": LAST})
    await bench.backfill(WHOLE.model_copy(update={"first": LAST}))
    assert bench.provider.asked == []
    plan = await bench.plan(with_short)
    assert plan.gaps is not None
    assert names[0] in plan.gaps["1m"]["sessions"][0]["first_symbols"]
    await bench.backfill(with_short)
    assert (names[0], LAST) in bench.provider.asked
    assert {day for _, day in bench.provider.asked} == {LAST}


async def test_a_whole_session_that_is_gone_degrades_it(bench: Bench) -> None:
    await bench.ingest()
    bench.cut(SERIES, DAYS[1], SYMBOLS, 0.0)
    verdicts = dict(summarise_sessions(await bench.judge()).select("session", "verdict").rows())
    assert verdicts[DAYS[1]] == "degraded"
    assert verdicts[DAYS[0]] != "degraded"


async def test_of_daily_bars_only_sessions_before_are_missing(bench: Bench) -> None:
    await bench.ingest({Interval.D1: 6})
    request = WHOLE.model_copy(update={"intervals": {Interval.D1: 6}})
    assert (await bench.plan(request)).chunks == ()
    assert (await bench.plan(request.model_copy(update={"intervals": {Interval.D1: 7}}))).chunks


async def test_a_failed_answer_is_no_answer(bench: Bench) -> None:
    class Refusing(Counting):
        async def fetch_bars(self, request: BarRequest) -> FetchedBars:
            raise ProviderError("the provider answered 502", retryable=False)

    bench.provider = Refusing(NIGHT)
    plan = await resolve_backfill(WHOLE, bench.provider, bench.store, bench.planning())
    report = await bench._run(plan)
    assert report.by_outcome()[Outcome.PROVIDER_ERROR] == len(SYMBOLS)
    assert counted(await bench.judge()) == {"missing": len(SYMBOLS) * len(DAYS)}
