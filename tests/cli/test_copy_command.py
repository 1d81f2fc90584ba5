"""`kaboom bars copy` of page files to the database in use."""

from pathlib import Path

import pytest

from kaboom.bars import open_postgres
from kaboom.bars.pages.store import PageBarStore
from tests.bars.bar_store import run
from tests.fixtures.bars.postgres_bars import empty_bar_tables
from tests.fixtures.bars.stored_bars import JUNE_2, MINUTES, full_day
from tests.fixtures.cli import Kaboom


@pytest.fixture
def data(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a session of bars, which the default leaves unread."""
    empty_bar_tables(database_url)
    store = PageBarStore(tmp_path / "data/bars")
    run(store.write(MINUTES, full_day(["1301", "7203"], JUNE_2)))
    run(store.close())
    monkeypatch.setenv("KABOOM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DATABASE_URL", database_url)
    for name in ("_store", "_actions", "_database"):
        monkeypatch.setattr(open_postgres, name, getattr(open_postgres, name).__wrapped__)
    return tmp_path / "data"


def test_left_bars_are_copied_to_the_database_and_compared(
    kaboom: Kaboom, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KABOOM_DATA_DIR", str(data))
    done = kaboom("bars", "copy", "--from", "pages", "--json")
    assert done.code == 0, done.err
    assert isinstance(done.json, dict)
    (series,) = done.json["series"]
    assert (done.json["is_whole"], series["written"], series["source"]) == (True, 654, "synthetic")
    assert series["prints"]["from"] == series["prints"]["to"]
    again = kaboom("bars", "copy", "--from", "pages", "--resume")
    assert "1 day was not compared" in again.err
    assert "654" in kaboom("bars", "copy", "--from", "pages").out
    assert kaboom("bars", "copy", "--from", "postgres").code == 2
