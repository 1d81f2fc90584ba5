"""Answers beside pages: in files of an older Kaboom, and what a repeated ingest leaves of them."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from kaboom.bars.coverage.fetch_log import build_fetch_log
from kaboom.bars.pages.files import PageFiles
from kaboom.bars.pages.repair.pages import delete_fetches
from kaboom.bars.pages.store import PageBarStore
from kaboom.market.calendar import sessions_between
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, MINUTES, full_day

pytestmark = pytest.mark.anyio
DAY = full_day(["1301", "7203"], JUNE_2)
_FULL = 2
NIGHT = datetime(2025, 6, 2, 12, tzinfo=UTC)
TOLD = build_fetch_log(DAY, ["1301", "7203"], [JUNE_2], NIGHT)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[PageBarStore]:
    store = PageBarStore(tmp_path)
    yield store
    await store.close()


async def test_a_file_of_an_older_kaboom_has_none_and_takes_some(store: PageBarStore, tmp_path: Path) -> None:
    await store.write(MINUTES, DAY)
    with closing(sqlite3.connect(tmp_path / "synthetic/1m/2025-06.sqlite")) as db, db:
        db.execute("DROP TABLE asked")
    assert (await store.load_fetch_log(MINUTES, first=JUNE_2, last=JUNE_2)).is_empty()
    await store.save_fetch_log(MINUTES, TOLD)
    assert (await store.load_fetch_log(MINUTES, first=JUNE_2, last=JUNE_2)).equals(TOLD)
    assert (await store.read_session(MINUTES, JUNE_2)).equals(DAY)
    assert (await store.verify()).faults == ()


async def test_asking_again_leaves_one_row(store: PageBarStore, tmp_path: Path) -> None:
    for hours in range(3):
        await store.save_fetch_log(MINUTES, build_fetch_log(DAY, ["7203"], [JUNE_2], NIGHT + timedelta(hours=hours)))
    with closing(sqlite3.connect(tmp_path / "synthetic/1m/2025-06.sqlite")) as db:
        assert db.execute("SELECT count(*), max(bars) FROM asked").fetchone() == (1, 327)


async def test_a_year_of_days_without_a_bar_is_a_handful_of_rows(store: PageBarStore, tmp_path: Path) -> None:
    year = sessions_between(date(2025, 1, 1), date(2025, 12, 31))
    await store.save_fetch_log(DAILY, build_fetch_log(DAY.clear(), ["9999"], year, NIGHT))
    with closing(sqlite3.connect(tmp_path / "synthetic/1d/all.sqlite")) as db:
        (rows,) = db.execute("SELECT count(*) FROM asked").fetchone()
    assert rows < len(year) / 10
    found = await store.load_fetch_log(DAILY, first=year[0], last=year[-1])
    assert set(year) <= set(found["session"])


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2025, 1, 1), date(2025, 12, 31)),
        (date(2024, 12, 26), date(2024, 12, 26)),
        (date(2024, 1, 1), date(2024, 12, 31)),
        (date(2024, 12, 23), date(2025, 1, 10)),
        (date(2025, 1, 11), date(2025, 1, 31)),
    ],
)
async def test_deleted_fetches_leave_those_of_other_days(
    store: PageBarStore, tmp_path: Path, first: date, last: date
) -> None:
    days = sessions_between(date(2024, 12, 23), date(2025, 1, 10))
    for symbol in ("9998", "9999"):
        await store.save_fetch_log(DAILY, build_fetch_log(DAY.clear(), [symbol], days, NIGHT))
    with closing(sqlite3.connect(tmp_path / "synthetic/1d/all.sqlite")) as db, db:
        (sid,) = db.execute("SELECT id FROM sym WHERE symbol = '9999'").fetchone()
        delete_fetches(db, sid, (first, last))
        assert db.execute("SELECT * FROM asked WHERE first > last").fetchall() == []
    found = await store.load_fetch_log(DAILY, first=days[0], last=days[-1])
    left = {symbol: {*of["session"]} & {*days} for (symbol,), of in found.group_by("symbol")}
    assert left["9998"] == {*days}
    assert left.get("9999", set()) == {day for day in days if not first <= day <= last}


async def test_bars_still_wait_for_the_disk_after_answers(store: PageBarStore) -> None:
    def ask(files: PageFiles) -> int:
        (value,) = files.open_or_create(files.path(MINUTES, "2025-06")).sql.execute("PRAGMA synchronous").fetchone()
        return int(value)

    await store.save_fetch_log(MINUTES, TOLD)
    # In the thread that wrote them, which has the connection.
    assert await store._threads.write(ask, store._files) == _FULL


async def test_notes_that_are_remembered_are_never_older_than_the_last_commit(
    store: PageBarStore, tmp_path: Path
) -> None:
    async def ask() -> list[int]:
        # Both reader threads, each with a connection and a memory of its own.
        july = date(2025, 7, 31)
        found = await asyncio.gather(*(store.load_fetch_log(MINUTES, first=JUNE_2, last=july) for _ in range(8)))
        assert all(one.equals(found[0]) for one in found)
        return found[0]["bars"].to_list()

    await store.save_fetch_log(MINUTES, TOLD)
    assert await ask() == [327, 327]
    await store.save_fetch_log(MINUTES, build_fetch_log(DAY.clear(), ["1301"], [JUNE_2], NIGHT + timedelta(hours=1)))
    assert await ask() == [0, 327]
    # Another process, which has a store and connections of its own.
    other = PageBarStore(tmp_path)
    await other.save_fetch_log(MINUTES, build_fetch_log(DAY.clear(), ["1301"], [date(2025, 7, 1)], NIGHT))
    await other.close()
    assert await ask() == [0, 0, 327]
