"""A symbol that is asked for outside its listing is `not_listed`, and nobody is asked."""

import asyncio
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from batch.bars.actions.memory import MemoryActionStore
from batch.bars.memory import MemoryBarStore
from batch.ingest.plan import IngestChunk
from batch.ingest.request import IngestRequest
from batch.ingest.runner import run_chunk
from batch.ingest.window import IngestTools
from batch.market.bar import BarSeries
from batch.market.interval import Interval
from batch.market.listing import Listing, Market
from batch.market.lists.history import ListingHistory
from batch.market.lists.snapshot import Snapshot, format_snapshot
from batch.market.outcome import Outcome, OutcomeReport
from batch.scripts.run_daily_ingest import run_daily_ingest
from batch.settings import BatchSettings
from tests.fixtures.providers.fake_providers import SERIES, FakeProvider

OLD, NEW = date(2025, 9, 30), date(2025, 10, 31)
BETWEEN, AFTER = date(2025, 10, 15), date(2025, 11, 4)


def snapshot(as_of: date, *symbols: str) -> Snapshot:
    return Snapshot(as_of, "a test", tuple(Listing(s, f"name {s}", Market.TSE_PRIME, "", "") for s in symbols))


LISTS = (snapshot(OLD, "7203", "9613"), snapshot(NEW, "7203", "285A"))
SYMBOLS = ("7203", "9613", "285A", "1306")


def ingest(provider: FakeProvider, store: MemoryBarStore, *sessions: date) -> OutcomeReport:
    now, history = datetime(2026, 1, 5, tzinfo=UTC), ListingHistory(LISTS)
    tools = IngestTools(
        provider, store, MemoryActionStore(), Market.TSE_PRIME, frozenset(), lambda: now, history=history
    )
    return asyncio.run(run_chunk(IngestChunk(Interval.D1, SYMBOLS, sessions), tools))


@pytest.mark.parametrize(("session", "absent"), [(OLD, {"285A"}), (BETWEEN, set()), (AFTER, {"9613"})])
def test_only_who_may_have_been_listed_is_asked_for(session: date, absent: set[str]) -> None:
    provider, store = FakeProvider(symbols_per_fetch=10), MemoryBarStore()
    report = ingest(provider, store, session)
    outcomes = {o.symbol: o.outcome for o in report.outcomes}
    assert outcomes == dict.fromkeys(SYMBOLS, Outcome.OK) | dict.fromkeys(absent, Outcome.NOT_LISTED)
    assert [set(request.symbols) for request in provider.requests] == [set(SYMBOLS) - absent]
    # A backfill is not to ask again.
    answered = asyncio.run(store.load_fetch_log(BarSeries(SERIES.source, Interval.D1), first=session, last=session))
    assert set(answered["symbol"]) == set(SYMBOLS)


def test_who_was_listed_on_a_part_of_the_days_is_asked_for() -> None:
    provider = FakeProvider(symbols_per_fetch=10)
    report = ingest(provider, MemoryBarStore(), OLD, AFTER)
    assert {o.outcome for o in report.outcomes} == {Outcome.OK}
    assert [(r.sessions[0], set(SYMBOLS) - set(r.symbols)) for r in provider.requests] == [
        (OLD, {"285A"}),
        (AFTER, {"9613"}),
    ]


@pytest.mark.parametrize("days", [(date(2025, 10, 30), NEW), (OLD, date(2025, 10, 1))])
def test_a_symbol_absent_on_one_day_is_requested_for_the_whole_window(days: tuple[date, date]) -> None:
    # By the last day of October 9613 was gone, and on that of September 285A had not come.
    provider = FakeProvider(symbols_per_fetch=10)
    ingest(provider, MemoryBarStore(), *days)
    assert [(request.sessions, set(request.symbols)) for request in provider.requests] == [(days, set(SYMBOLS))]


def test_where_nobody_was_listed_nobody_is_asked() -> None:
    provider = FakeProvider()
    now = datetime(2026, 1, 5, tzinfo=UTC)
    tools = IngestTools(
        provider,
        MemoryBarStore(),
        MemoryActionStore(),
        Market.TSE_PRIME,
        frozenset(),
        lambda: now,
        history=ListingHistory(LISTS),
    )
    (outcome,) = asyncio.run(run_chunk(IngestChunk(Interval.D1, ("9613",), (AFTER,)), tools)).outcomes
    assert (outcome.outcome, outcome.message) == (Outcome.NOT_LISTED, f"left after {OLD}, by {NEW}")
    assert provider.requests == []


@pytest.mark.parametrize(("session", "expected"), [(OLD, ["7203", "9613"]), (AFTER, ["285A", "7203"])])
def test_an_old_session_has_the_universe_of_its_day(tmp_path: Path, session: date, expected: list[str]) -> None:
    settings = BatchSettings(data_dir=tmp_path, bar_store="memory")
    settings.symbols_dir.mkdir(parents=True)
    for known in LISTS:
        (settings.symbols_dir / f"listings_{known.as_of}.csv").write_text(format_snapshot(known), encoding="utf-8")
    request = {"intervals": {"1d": 1}, "session": str(session)}
    report = asyncio.run(run_daily_ingest(IngestRequest.parse(request), settings=settings))
    assert [(o.symbol, o.outcome) for o in report.outcomes] == [(symbol, Outcome.OK) for symbol in expected]
    late = request | {"symbols": ["9613", "285A"]}
    report = asyncio.run(run_daily_ingest(IngestRequest.parse(late), settings=settings))
    gone = {o.symbol for o in report.outcomes if o.outcome is Outcome.NOT_LISTED}
    assert gone == {"9613", "285A"} - set(expected)
