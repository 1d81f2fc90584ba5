"""Rejected rows beside pages, in files of an older Kaboom that knew no file and line."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from kaboom.bars.pages.repair.pages import salvage
from kaboom.bars.pages.store import PageBarStore
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, at, refused

pytestmark = pytest.mark.anyio
OLD = ("1301", at(JUNE_2), 1.0, 1.0, 1.0, 1.0, 1.0, "off_grid")
NEW = ("7203", at(JUNE_2), 1.0, 1.0, 1.0, 1.0, 1.0, "off_grid", "7203.csv", 17)


@pytest.fixture
async def older(tmp_path: Path) -> Path:
    """The path of a file as an older Kaboom left it, with one rejected row."""
    store = PageBarStore(tmp_path)
    await store.quarantine(DAILY, refused(OLD))
    await store.close()
    path = tmp_path / "synthetic/1d/all.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        for column in ("file", "line"):
            db.execute(f"ALTER TABLE quarantine DROP COLUMN {column}")
    return path


@pytest.mark.usefixtures("older")
async def test_an_older_file_is_read_and_takes_rows_with_a_place(tmp_path: Path) -> None:
    store = PageBarStore(tmp_path)
    assert (await store.read_quarantine(DAILY)).equals(refused(OLD))
    assert await store.quarantine(DAILY, refused(NEW)) == 1
    assert (await store.read_quarantine(DAILY)).equals(refused(OLD, NEW))
    await store.close()


async def test_rows_of_an_older_file_are_salvaged(older: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh.sqlite"
    salvage(older, fresh, DAILY)
    with closing(sqlite3.connect(fresh)) as db:
        assert db.execute("SELECT symbol, reason, file, line FROM quarantine").fetchall() == [
            ("1301", "off_grid", None, None)
        ]
