"""A bar store in the PostgreSQL of the test process."""

from collections.abc import Iterator

import pytest

from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.drivers.postgres.blocking import BlockingDatabase
from tests.bars.bar_store import run
from tests.fixtures.bars.postgres_bars import empty_bar_tables


@pytest.fixture
def store(database_url: str) -> Iterator[PostgresBarStore]:
    """An empty store."""
    empty_bar_tables(database_url)
    made = PostgresBarStore(BlockingDatabase(database_url, application_name="test"))
    yield made
    run(made.close())
