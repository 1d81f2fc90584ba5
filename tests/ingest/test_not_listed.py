"""A symbol that is asked for outside its listing is `not_listed`, and nobody is asked."""

import asyncio
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from kaboom.bars.memory import MemoryActionStore, MemoryBarStore
from kaboom.bars.open_provider import build_provider
from kaboom.domain_settings import BatchSettings
from kaboom.errors import InvalidRequest
from kaboom.ingest.checks import add_hints, check_named
from kaboom.ingest.plan import IngestChunk
from kaboom.ingest.request import IngestRequest
from kaboom.ingest.run_daily import run_daily_ingest
from kaboom.ingest.runner import run_chunk
from kaboom.ingest.window import IngestTools
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from kaboom.market.listing import Listing, Market
from kaboom.market.lists.history import ListingHistory
from kaboom.market.lists.snapshot import Snapshot, format_snapshot
from kaboom.market.outcome import Outcome, OutcomeReport, SymbolOutcome
from kaboom.providers.base import BarRequest
from kaboom.providers.registry import get_provider_spec
from tests.fixtures.providers.fake_providers import SERIES, FakeProvider

OLD, NEW = date(2025, 9, 30), date(2025, 10, 31)
BETWEEN, AFTER = date(2025, 10, 15), date(2025, 11, 4)


def snapshot(as_of: date, *symbols: str) -> Snapshot:
    return Snapshot(as_of, "a test", tuple(Listing(s, f"name {s}", Market.TSE_PRIME, "", "") for s in symbols))


LISTS = (snapshot(OLD, "7203", "9613"), snapshot(NEW, "7203", "285A"))
SYMBOLS = ("7203", "9613", "285A", "1306")


def load() -> ListingHistory:
    return ListingHistory(LISTS)


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
    (gone,) = {"9613", "285A"} - set(expected)
    named = IngestRequest.parse(request | {"symbols": ["7203", gone]})
    with pytest.raises(InvalidRequest, match=f"{gone} was not listed on {session}: (left|listed) after"):
        asyncio.run(run_daily_ingest(named, settings=settings))


@pytest.mark.parametrize(
    ("symbols", "why"),
    [
        (
            ["7203", "7204"],
            f"symbols had 7204, which no symbol list has; nearest to 7204: 7203; the newest list is of {NEW}, `kaboom",
        ),
        (["9613"], f"9613 was not listed on {AFTER}: left after {OLD}, by {NEW}"),
    ],
)
def test_a_provider_that_follows_the_lists_takes_no_other_symbol(symbols: list[str], why: str) -> None:
    request = IngestRequest.parse({"intervals": {"1d": 1}, "symbols": symbols})
    with pytest.raises(InvalidRequest) as refused:
        check_named(request, AFTER, get_provider_spec("synthetic").capabilities, load)
    assert refused.value.message.startswith(why)
    assert refused.value.pointer == "/symbols"


def test_a_symbol_listed_on_a_part_of_the_days_is_taken() -> None:
    days = IngestRequest.parse({"intervals": {"1d": 30}, "symbols": ["9613", "285A"]})
    check_named(days, AFTER, get_provider_spec("synthetic").capabilities, load)


def test_another_provider_may_know_newer_symbols_than_the_lists() -> None:
    request = IngestRequest.parse({"intervals": {"1d": 1}, "symbols": ["9998"]})
    for name in ("jquants", "yahoo"):
        check_named(request, AFTER, get_provider_spec(name).capabilities, load)


@pytest.mark.parametrize(
    ("said", "hinted"),
    [
        ("", "no symbol list has it; nearest to 7204: 7203"),
        ("no such ticker", "no symbol list has it; nearest to 7204: 7203; no such ticker"),
    ],
)
def test_an_outcome_of_an_unknown_code_names_the_nearest(said: str, hinted: str) -> None:
    outcomes = {
        "7204": SymbolOutcome("7204", Outcome.NOT_LISTED, message=said),
        "9613": SymbolOutcome("9613", Outcome.NOT_LISTED),
        "7205": SymbolOutcome("7205", Outcome.NO_TRADES),
    }
    found = add_hints(outcomes, ListingHistory(LISTS), AFTER)
    assert {symbol: outcome.message for symbol, outcome in found.items()} == {"7204": hinted, "9613": "", "7205": ""}


def test_many_unknown_codes_are_not_compared_with_the_lists() -> None:
    outcomes = {str(code): SymbolOutcome(str(code), Outcome.NOT_LISTED) for code in range(7204, 7210)}
    found = add_hints(outcomes, ListingHistory(LISTS), AFTER)
    assert {outcome.message for outcome in found.values()} == {"no symbol list has it"}


def test_a_provider_of_bars_has_the_symbols_of_an_imported_list(tmp_path: Path) -> None:
    settings = BatchSettings(data_dir=tmp_path, provider="synthetic")
    settings.symbols_dir.mkdir(parents=True)
    known = snapshot(NEW, "7203", "999Z")
    (settings.symbols_dir / f"listings_{known.as_of}.csv").write_text(format_snapshot(known), encoding="utf-8")
    request = BarRequest(("7203", "999Z", "6758"), Interval.D1, (AFTER,))
    fetched = asyncio.run(build_provider(settings).fetch_bars(request))
    assert (set(fetched.bars["symbol"]), set(fetched.outcomes)) == ({"7203", "999Z"}, {"6758"})
