"""What every bar store promises, kept by PostgreSQL through a PgBouncer in transaction mode."""

from collections.abc import Iterator

import pytest

from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.bars.store import BarStore
from kaboom.drivers.postgres.blocking import BlockingDatabase
from tests.bars.bar_store import BarStoreContract, run
from tests.fixtures.bars.postgres_bars import empty_bar_tables
from tests.fixtures.servers.pgbouncers import PgBouncer


@pytest.fixture
def store(pooler: PgBouncer) -> Iterator[BarStore]:
    """An empty bar store behind the pooler."""
    empty_bar_tables(pooler.direct_url)
    made = PostgresBarStore(BlockingDatabase(pooler.url, application_name="test"))
    yield made
    run(made.close())


class TestPooledBarStore(BarStoreContract):
    pass
