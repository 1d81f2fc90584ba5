"""The judgement of some days: which sessions and symbols are judged."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from kaboom.bars.coverage.fetch_log import build_fetch_log
from kaboom.bars.coverage.judge import CoverSpan, Judgement, judge
from kaboom.bars.memory import MemoryBarStore
from kaboom.bars.store import QUARANTINE_SCHEMA
from kaboom.market.calendar import closes_at
from tests.fixtures.bars.stored_bars import MINUTES, at, bar, frame

pytestmark = pytest.mark.anyio
FRIDAY, MONDAY, TUESDAY = date(2025, 5, 30), date(2025, 6, 2), date(2025, 6, 3)
NOW = datetime(2025, 6, 3, 9, tzinfo=UTC)


async def judged(store: MemoryBarStore, *symbols: str, has_calendar: bool = True) -> Judgement:
    span = CoverSpan(date(2025, 5, 19), TUESDAY, timedelta(minutes=1), NOW, symbols, has_calendar=has_calendar)
    return await judge(store, MINUTES, span)


def states(found: Judgement) -> list[tuple[str, date, str]]:
    return found.cells.select("symbol", "session", found.cells["state"].cast(str)).rows()


@pytest.fixture
async def store() -> MemoryBarStore:
    """A symbol with a bar on Friday and on Tuesday, and one that the provider had no bar of on Monday."""
    store = MemoryBarStore()
    bars = frame(bar("7203", at(FRIDAY)), bar("7203", at(TUESDAY)))
    await store.write(MINUTES, bars)
    for day, symbol in ((FRIDAY, "7203"), (TUESDAY, "7203"), (MONDAY, "9999")):
        asked_at = closes_at(day) + timedelta(hours=1)
        await store.save_fetch_log(MINUTES, build_fetch_log(bars, [symbol], [day], asked_at))
    return store


async def test_every_session_since_the_first_with_data_is_judged(store: MemoryBarStore) -> None:
    assert states(await judged(store)) == [
        ("7203", FRIDAY, "complete"),
        ("7203", MONDAY, "missing"),
        ("7203", TUESDAY, "complete"),
        ("9999", FRIDAY, "missing"),
        ("9999", MONDAY, "empty"),
        ("9999", TUESDAY, "missing"),
    ]


async def test_without_a_calendar_only_days_with_data_are_judged(store: MemoryBarStore) -> None:
    await store.write(MINUTES, frame(bar("7203", at(date(2025, 6, 1)))))  # a Sunday
    found = await judged(store, "7203", has_calendar=False)
    assert [session for _, session, _ in states(found)] == [FRIDAY, date(2025, 6, 1), MONDAY, TUESDAY]


async def test_files_have_no_phantom_sessions_and_no_days_outside_their_symbols(store: MemoryBarStore) -> None:
    saturday = date(2025, 5, 31)
    await store.write(MINUTES, frame(bar("AAPL", at(FRIDAY)), bar("AAPL", at(MONDAY)), bar("FB", at(MONDAY))))
    asked_at = closes_at(MONDAY) + timedelta(hours=1)
    log = build_fetch_log(frame(), ["AAPL", "FB"], [FRIDAY, saturday, MONDAY], asked_at)
    await store.save_fetch_log(MINUTES, log)
    found = [(symbol, session) for symbol, session, _ in states(await judged(store, has_calendar=False))]
    assert found == [
        ("7203", FRIDAY),
        ("7203", MONDAY),
        ("7203", TUESDAY),
        ("AAPL", FRIDAY),
        ("AAPL", MONDAY),
        ("FB", MONDAY),
    ]


async def test_rejected_rows_are_counted_by_session(store: MemoryBarStore) -> None:
    row = {"symbol": "7203", "opened_at": at(TUESDAY), "open": -1.0, "high": 1.0, "low": 1.0, "close": 1.0}
    rows = pl.DataFrame([{**row, "volume": 1.0, "reason": "bad_price"}], schema=QUARANTINE_SCHEMA)
    await store.quarantine(MINUTES, rows)
    assert (await judged(store)).sessions()["quarantined"].to_list() == [0, 0, 1]


async def test_symbols_that_are_named_are_judged_and_no_others(store: MemoryBarStore) -> None:
    assert {symbol for symbol, _, _ in states(await judged(store, "7203", "1301"))} == {"7203", "1301"}


async def test_bars_before_the_span_are_history_and_not_judged(store: MemoryBarStore) -> None:
    await store.write(MINUTES, frame(bar("7203", at(date(2025, 5, 16)))))
    found = await judged(store)
    assert found.held["session"].min() == FRIDAY
    assert found.sessions()["session"].to_list() == [FRIDAY, MONDAY, TUESDAY]


async def test_an_empty_store_has_no_sessions() -> None:
    found = await judged(MemoryBarStore(), "7203")
    assert found.cells.is_empty()
    assert found.sessions().is_empty()


async def test_bars_of_a_day_without_a_session_are_not_judged() -> None:
    store = MemoryBarStore()
    await store.write(MINUTES, frame(bar("7203", at(date(2025, 6, 1)))))  # a Sunday
    span = CoverSpan(date(2025, 6, 1), date(2025, 6, 1), timedelta(minutes=1), NOW)
    assert (await judge(store, MINUTES, span)).cells.is_empty()
