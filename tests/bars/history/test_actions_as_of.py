"""Corporate actions as they were known at a moment, in SQLite and in memory; refused where that is not known."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from kaboom.bars.actions.sqlite import SqliteActionStore
from kaboom.bars.history import reader_at
from kaboom.bars.memory import MemoryActionStore
from kaboom.bars.pages.store import PageBarStore
from kaboom.bars.postgres.actions import PostgresActionStore
from kaboom.drivers.clock import utc_now
from kaboom.drivers.postgres.blocking import BlockingDatabase
from kaboom.errors import InvalidRequest
from kaboom.market.action import ActionState
from tests.fixtures.bars.noted_actions import dividend_note, note
from tests.fixtures.bars.postgres_bars import empty_bar_tables

pytestmark = pytest.mark.anyio

NOV_4, NOV_5 = date(2025, 11, 4), date(2025, 11, 5)


type Store = SqliteActionStore | MemoryActionStore | PostgresActionStore


@pytest.fixture(params=["sqlite", "postgres", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "postgres":
        url = request.getfixturevalue("database_url")
        empty_bar_tables(url)
        database = BlockingDatabase(url, application_name="test")
        yield PostgresActionStore(database)
        database.close()
        return
    yield SqliteActionStore(tmp_path) if request.param == "sqlite" else MemoryActionStore()


async def test_notes_are_those_of_the_moment(store: Store) -> None:
    first, second = note("7203", NOV_4, 0.5), note("7203", NOV_4, 0.25)
    moments = [utc_now()]
    for notes in (first, second, note("285A", NOV_5)):
        await store.save("synthetic", notes)
        moments.append(utc_now())

    states = [await store.known_at(moment).load("synthetic") for moment in moments]
    assert states[0].is_empty()
    assert states[1].equals(first)
    assert states[2].equals(second)
    assert states[3].equals(pl.concat([note("285A", NOV_5), second]))
    assert (await store.known_at(moments[3]).load("synthetic", ["7203"])).equals(second)
    assert (await store.known_at(moments[3]).load("file")).is_empty()


async def test_dividends_are_those_of_the_moment(store: Store) -> None:
    await store.save("synthetic", note("7203", NOV_4, 0.5))
    moments = [utc_now()]
    for amount in (45.0, 40.0):
        await store.save("synthetic", dividend_note("7203", NOV_4, amount))
        moments.append(utc_now())

    states = [await store.known_at(moment).load("synthetic") for moment in moments]
    split = note("7203", NOV_4, 0.5)
    assert states[0].equals(split)
    assert states[1].equals(pl.concat([split, dividend_note("7203", NOV_4, 45.0)]))
    assert states[2].equals(await store.load("synthetic"))


async def test_a_file_of_a_release_before_dividends_takes_them(tmp_path: Path) -> None:
    store, split = SqliteActionStore(tmp_path), note("7203", NOV_4, 0.5)
    await store.save("synthetic", split)
    with closing(sqlite3.connect(tmp_path / "synthetic" / "actions.sqlite")) as sql:
        assert [name for (name,) in sql.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")] == [
            "note",
            "said",
        ]
    before = utc_now()
    await store.save("synthetic", dividend_note("7203", NOV_4, 45.0))
    assert (await store.load("synthetic")).height == 2
    assert (await store.known_at(before).load("synthetic")).equals(split)
    # What an older release reads is as it was.
    with closing(sqlite3.connect(tmp_path / "synthetic" / "actions.sqlite")) as sql:
        assert sql.execute("SELECT symbol, factor FROM note").fetchall() == [("7203", 0.5)]


async def test_a_note_that_is_saved_again_says_nothing_new(tmp_path: Path) -> None:
    store, told = SqliteActionStore(tmp_path), note("7203", NOV_4, 0.5)
    for days in range(3):
        await store.save("synthetic", told.with_columns(pl.col("noted_at") + timedelta(days=days)))
    await store.save("synthetic", told.with_columns(state=pl.lit(ActionState.REJECTED.value)))

    with closing(sqlite3.connect(tmp_path / "synthetic/actions.sqlite")) as sql:
        rows = sql.execute("SELECT no, state FROM said WHERE no > 0 ORDER BY no").fetchall()
    assert rows == [(1, told["state"][0]), (2, "rejected")]


async def test_a_file_without_changes_has_them_from_its_last_change_on(tmp_path: Path) -> None:
    store, path, old = SqliteActionStore(tmp_path), tmp_path / "synthetic/actions.sqlite", note("7203", NOV_4, 0.5)
    await store.save("synthetic", old)
    with closing(sqlite3.connect(path)) as sql:
        sql.execute("DROP TABLE said")
    os.utime(path, (path.stat().st_mtime - 3600,) * 2)
    moment = utc_now() - timedelta(minutes=30)

    for change in (None, note("7203", NOV_4, 0.25)):
        if change is not None:
            await store.save("synthetic", change)
        assert (await store.known_at(moment).load("synthetic")).equals(old)
        with pytest.raises(InvalidRequest, match=r"the history of .*synthetic/actions.sqlite begins there"):
            await store.known_at(moment - timedelta(hours=2)).load("synthetic")


async def test_moments_before_a_repair_of_the_file_are_refused(tmp_path: Path) -> None:
    store, pages, old = SqliteActionStore(tmp_path), PageBarStore(tmp_path), note("7203", NOV_4, 0.5)
    await store.save("synthetic", old)
    moment = utc_now()
    (tmp_path / "synthetic/actions.sqlite").write_bytes(b"not a database" * 1000)
    await pages.repair(is_dry=False)
    await store.save("synthetic", old)
    await pages.close()

    with pytest.raises(InvalidRequest, match="begins there"):
        await store.known_at(moment).load("synthetic")
    assert (await store.known_at(utc_now()).load("synthetic")).equals(old)


async def test_a_store_without_history_and_a_moment_to_come_are_refused() -> None:
    class Forgetful:
        async def load(self, source: str, symbols: object = ()) -> pl.DataFrame:
            raise AssertionError(source, symbols)

    forgetful = Forgetful()
    with pytest.raises(InvalidRequest, match="keeps no history"):
        reader_at(forgetful, datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(InvalidRequest, match="or earlier"):
        reader_at(MemoryActionStore(), utc_now() + timedelta(hours=1))
    assert reader_at(forgetful, None) is forgetful
