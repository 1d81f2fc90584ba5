"""The bar stores that the contract tests run on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kaboom.bars.memory import MemoryBarStore
from kaboom.bars.pages.store import PageBarStore
from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.bars.store import BarStore
from kaboom.drivers.postgres.blocking import BlockingDatabase
from tests.bars.bar_store import run
from tests.fixtures.bars.postgres_bars import empty_bar_tables


@pytest.fixture(params=["pages", "postgres", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BarStore]:
    """A bar store, empty."""
    made: BarStore
    if request.param == "postgres":
        url = request.getfixturevalue("database_url")
        empty_bar_tables(url)
        made = PostgresBarStore(BlockingDatabase(url, application_name="test"))
    else:
        made = PageBarStore(tmp_path / "bars") if request.param == "pages" else MemoryBarStore()
    yield made
    run(made.close())
