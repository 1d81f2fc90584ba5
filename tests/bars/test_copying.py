"""A copy of bars from one store to another: whole, resumable, and right while others write to both."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import psycopg
import pytest
from polars.testing import assert_frame_equal

from kaboom.bars.actions.sqlite import SqliteActionStore
from kaboom.bars.copying import CopyRule, SeriesCopy, copy_actions, copy_series, print_bars
from kaboom.bars.coverage.fetch_log import build_fetch_log
from kaboom.bars.memory import MemoryActionStore, MemoryBarStore
from kaboom.bars.pages.store import PageBarStore
from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.bars.store import BarStore
from kaboom.drivers.clock import utc_now
from kaboom.drivers.postgres.blocking import BlockingDatabase
from kaboom.errors import InvalidRequest, StoreError
from tests.fixtures.bars.noted_actions import note
from tests.fixtures.bars.postgres_bars import empty_bar_tables
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, MINUTES, at, bar, frame, full_day, refused

pytestmark = pytest.mark.anyio
MIRROR, LIVE = CopyRule(keeps_target=False), CopyRule(keeps_target=True)
RESUME = CopyRule(keeps_target=False, skips_counted=True)
JUNE_3, JULY_1 = date(2025, 6, 3), date(2025, 7, 1)
ASKED = datetime(2025, 7, 2, 7, tzinfo=UTC)


@pytest.fixture
def stores(tmp_path: Path, database_url: str) -> Callable[[str], BarStore]:
    """Open a store by its name."""
    empty_bar_tables(database_url)

    def open_store(name: str) -> BarStore:
        if name == "memory":
            return MemoryBarStore()
        if name == "pages":
            return PageBarStore(tmp_path / "pages")
        return PostgresBarStore(BlockingDatabase(database_url, application_name="test"))

    return open_store


@pytest.fixture
async def pages(stores: Callable[[str], BarStore], anyio_backend: str) -> AsyncIterator[BarStore]:
    """A store of page files with three sessions."""
    store = stores("pages")
    await fill(store)
    yield store
    await store.close()


@pytest.fixture
async def postgres(stores: Callable[[str], BarStore], anyio_backend: str) -> AsyncIterator[BarStore]:
    store = stores("postgres")
    yield store
    await store.close()


async def fill(store: BarStore) -> None:
    for day in (JUNE_2, JUNE_3, JULY_1):
        await store.write(MINUTES, full_day(["1301", "7203"], day))
    await store.write(DAILY, frame(bar("7203", at(JUNE_2)), bar("7203", at(date(2024, 1, 4)), 90.0, flags=1)))
    fetches = build_fetch_log(full_day(["1301"], JUNE_2), ["1301", "9999"], [JUNE_2, JULY_1], ASKED)
    await store.save_fetch_log(MINUTES, fetches)
    await store.quarantine(MINUTES, refused(("7203", at(JUNE_2), -1.0, 1.0, 1.0, 1.0, 1.0, "low_above_open")))


async def copy(source: BarStore, target: BarStore, rule: CopyRule) -> list[SeriesCopy]:
    found = [await copy_series(source, target, each, rule, lambda *_: None) for each in await source.list_series()]
    return sorted(found, key=lambda each: each.series.interval.value)


async def content_of(store: BarStore) -> list[pl.DataFrame]:
    spans = [(MINUTES, JUNE_2, JULY_1), (DAILY, date(2024, 1, 1), JULY_1)]
    bars = [await store.read_sessions(series, first=first, last=last) for series, first, last in spans]
    fetches = await store.load_fetch_log(MINUTES, first=JUNE_2, last=JULY_1)
    return [each.sort("symbol", "opened_at") for each in bars] + [fetches, await store.read_quarantine(MINUTES)]


@pytest.mark.parametrize(("origin", "to"), [("pages", "postgres"), ("postgres", "pages"), ("memory", "postgres")])
async def test_a_copy_has_everything_and_a_second_one_writes_nothing(
    stores: Callable[[str], BarStore], origin: str, to: str
) -> None:
    source, target = stores(origin), stores(to)
    await fill(source)
    days, minutes = await copy(source, target, MIRROR)
    assert (minutes.bars, minutes.written, minutes.kept, minutes.missing) == (3 * 654, 3 * 654, 0, 0)
    assert (days.written, minutes.rejected, minutes.fetches) == (2, 1, 4)
    assert minutes.prints[0] == minutes.prints[1] != days.prints[0]
    assert minutes.is_whole(MIRROR)
    for ours, theirs in zip(await content_of(source), await content_of(target), strict=True):
        assert_frame_equal(ours, theirs)
    again = await copy(source, target, MIRROR)
    assert [(each.written, each.rejected, each.fetches) for each in again] == [(0, 0, 0)] * 2
    assert [each.prints for each in again] == [days.prints, minutes.prints]
    await source.close()
    await target.close()


async def test_an_interrupted_copy_goes_on(pages: BarStore, postgres: BarStore) -> None:
    def stop(day: date, _: SeriesCopy) -> None:
        if day == JUNE_3:
            raise StoreError("the machine was turned off")

    with pytest.raises(StoreError):
        await copy_series(pages, postgres, MINUTES, MIRROR, stop)
    _, minutes = await copy(pages, postgres, RESUME)
    assert (minutes.skipped, minutes.bars, minutes.written) == (2, 654, 654)
    _, whole = await copy(pages, postgres, MIRROR)
    assert (whole.written, whole.bars, whole.is_whole(MIRROR)) == (0, 3 * 654, True)


async def test_bars_that_differ_are_those_of_the_store_in_use(pages: BarStore, postgres: BarStore) -> None:
    corrected = frame(bar("1301", at(JUNE_2), 7.0), bar("8306", at(JUNE_2), 5.0))
    await postgres.write(MINUTES, corrected)
    _, minutes = await copy(pages, postgres, LIVE)
    assert (minutes.written, minutes.kept, minutes.missing) == (3 * 654 - 1, 1, 0)
    assert minutes.prints[0] != minutes.prints[1]
    assert minutes.is_whole(LIVE)
    assert not minutes.is_whole(MIRROR)
    held = await postgres.read_session(MINUTES, JUNE_2)
    assert_frame_equal(held.join(corrected, on=["symbol", "opened_at"], how="semi").sort("symbol"), corrected)
    _, minutes = await copy(pages, postgres, MIRROR)
    assert (minutes.written, minutes.kept, minutes.is_whole(MIRROR)) == (1, 0, True)
    # The source never had the other symbol.
    assert "8306" in (await postgres.read_session(MINUTES, JUNE_2))["symbol"].to_list()


async def test_bars_that_are_stored_during_a_copy_are_copied_by_the_next(pages: BarStore, postgres: BarStore) -> None:
    await copy(pages, postgres, MIRROR)
    await pages.write(MINUTES, frame(bar("1301", at(JUNE_2), 7.0)))
    await pages.write(MINUTES, full_day(["1301"], date(2025, 7, 2)))
    _, minutes = await copy(pages, postgres, MIRROR)
    assert (minutes.written, minutes.is_whole(MIRROR)) == (1 + 327, True)


async def test_a_newer_fetch_of_the_target_stays(pages: BarStore, postgres: BarStore) -> None:
    newer = build_fetch_log(full_day(["1301"], JUNE_2), ["1301"], [JUNE_2], ASKED + timedelta(days=1))
    await postgres.save_fetch_log(MINUTES, newer)
    await copy(pages, postgres, LIVE)
    held = await postgres.load_fetch_log(MINUTES, first=JUNE_2, last=JULY_1)
    assert held["asked_at"].dt.day().to_list() == [3, 2, 2, 2]


async def test_moments_before_a_copy_are_refused(pages: BarStore, postgres: PostgresBarStore) -> None:
    before = utc_now()
    _, minutes = await copy(pages, postgres, MIRROR)
    with pytest.raises(InvalidRequest, match="the history of synthetic/1m begins there"):
        await postgres.known_at(before).read_session(MINUTES, JUNE_2)
    assert minutes.history_from is not None
    assert (await postgres.known_at(minutes.history_from).read_session(MINUTES, JUNE_2)).height == 654
    # A series that the target already had keeps its history.
    _, minutes = await copy(pages, postgres, MIRROR)
    assert minutes.history_from is None


async def test_actions_go_along(tmp_path: Path) -> None:
    source, target = SqliteActionStore(tmp_path), MemoryActionStore()
    await source.save("synthetic", note("7203", JUNE_2))
    await target.save("synthetic", note("7203", JUNE_2, 0.25))
    await source.save("synthetic", note("1301", JUNE_2))
    assert await copy_actions(source, target, "synthetic", LIVE) == 1
    assert (await target.load("synthetic"))["factor"].to_list() == [0.5, 0.25]
    assert await copy_actions(source, target, "synthetic", MIRROR) == 1
    assert (await target.load("synthetic"))["factor"].to_list() == [0.5, 0.5]


async def test_bars_of_the_last_days_of_months_and_years_go_along() -> None:
    source, target = MemoryBarStore(), MemoryBarStore()
    days = [date(1990, 1, 4), date(2024, 2, 29), date(2024, 12, 30), date(2025, 1, 31)]
    for series in (MINUTES, DAILY):
        await source.write(series, frame(*(bar("7203", at(day)) for day in days)))
    told = list[tuple[date, int]]()
    copies = [
        await copy_series(source, target, each, MIRROR, lambda day, done: told.append((day, done.bars)))
        for each in (MINUTES, DAILY)
    ]
    assert [(each.bars, each.written) for each in copies] == [(4, 4)] * 2
    # Daily bars are done by years.
    years = [(date(1990, 12, 31), 1), (date(2024, 12, 31), 3), (date(2025, 12, 31), 4)]
    assert told == [*((day, n) for n, day in enumerate(days, start=1)), *years]


async def test_a_resumed_copy_compares_days_whose_numbers_differ() -> None:
    source, target = MemoryBarStore(), MemoryBarStore()
    await fill(source)
    await copy(source, target, MIRROR)
    more = [bar("1301", at(JUNE_3, 151)), bar("1301", at(JUNE_2), 7.0)]
    await source.write(MINUTES, frame(*more))
    days, minutes = await copy(source, target, RESUME)
    # A correction leaves the numbers as they are.
    assert (minutes.skipped, minutes.bars, minutes.written) == (2, 655, 1)
    assert (days.skipped, days.bars, days.written) == (2, 0, 0)


async def test_a_bar_differs_by_each_of_its_values() -> None:
    source, target = MemoryBarStore(), MemoryBarStore()
    names = ["open", "high", "low", "close", "volume", "flags"]
    held = [frame(bar(name, at(JUNE_2))) for name in names]
    others = [each.with_columns(pl.col(name) + 1) for name, each in zip(names, held, strict=True)]
    for ours, theirs in zip(others, held, strict=True):
        await source.write(MINUTES, ours)
        await target.write(MINUTES, theirs)
        assert print_bars(ours) != print_bars(theirs)
    live = await copy_series(source, target, MINUTES, LIVE, lambda *_: None)
    assert (live.written, live.kept, live.is_whole(MIRROR), live.is_whole(LIVE)) == (0, 6, False, True)
    mirror = await copy_series(source, target, MINUTES, MIRROR, lambda *_: None)
    assert (mirror.written, mirror.kept, mirror.is_whole(MIRROR)) == (6, 0, True)


async def test_a_damaged_page_of_the_target_ends_the_copy_and_is_named(
    pages: BarStore, postgres: BarStore, database_url: str
) -> None:
    await postgres.write(MINUTES, frame(bar("1301", at(JUNE_2, 395))))
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE bar_page SET data = set_byte(data, 20, get_byte(data, 20) # 1)")
    with pytest.raises(StoreError, match="1301 2025-06-02 is damaged"):
        await copy(pages, postgres, LIVE)


def test_a_copy_that_lacks_bars_is_not_whole_by_any_rule() -> None:
    for rule in (MIRROR, LIVE):
        assert not SeriesCopy(MINUTES, missing=1).is_whole(rule)
        assert SeriesCopy(MINUTES).is_whole(rule)


async def test_a_row_that_is_rejected_for_two_reasons_goes_along_twice() -> None:
    source, target = MemoryBarStore(), MemoryBarStore()
    rows = [("7203", at(JUNE_2), -1.0, 1.0, 1.0, 1.0, 1.0, reason) for reason in ("low_above_open", "off_grid")]
    await source.quarantine(MINUTES, refused(*rows))
    await target.quarantine(MINUTES, refused(rows[0]))
    assert (await copy_series(source, target, MINUTES, MIRROR, lambda *_: None)).rejected == 1
    assert (await target.read_quarantine(MINUTES)).height == 2


async def test_a_copy_that_is_stopped_has_no_history_before_its_begin(
    pages: BarStore, postgres: PostgresBarStore
) -> None:
    told = list[datetime]()

    def stop(day: date, _: SeriesCopy) -> None:
        told.append(utc_now())
        if day == JUNE_3:
            raise StoreError("the machine was turned off")

    before = utc_now()
    with pytest.raises(StoreError):
        await copy_series(pages, postgres, MINUTES, MIRROR, stop)
    with pytest.raises(InvalidRequest, match="the history of synthetic/1m begins there"):
        await postgres.known_at(before).read_session(MINUTES, JUNE_2)
    assert (await postgres.known_at(utc_now()).read_session(MINUTES, JUNE_2)).height == 654


async def test_the_history_of_a_copy_begins_at_its_end(pages: BarStore, postgres: PostgresBarStore) -> None:
    told = list[datetime]()
    done = await copy_series(pages, postgres, MINUTES, MIRROR, lambda *_: told.append(utc_now()))
    assert done.history_from is not None
    assert done.history_from >= told[-1]
    with pytest.raises(InvalidRequest, match="the history of synthetic/1m begins there"):
        await postgres.known_at(told[0]).read_session(MINUTES, JUNE_2)


async def test_a_fetch_that_is_newer_in_the_source_replaces_that_of_the_target() -> None:
    source, target = MemoryBarStore(), MemoryBarStore()
    for store, asked in ((target, ASKED), (source, ASKED + timedelta(days=1))):
        await store.save_fetch_log(MINUTES, build_fetch_log(full_day(["1301"], JUNE_2), ["1301"], [JUNE_2], asked))
    await source.write(MINUTES, frame(bar("1301", at(JUNE_2))))
    assert (await copy_series(source, target, MINUTES, MIRROR, lambda *_: None)).fetches == 1
    held = await target.load_fetch_log(MINUTES, first=JUNE_2, last=JUNE_2)
    assert held["asked_at"].to_list() == [ASKED + timedelta(days=1)]
