"""One real PgBouncer for the lane, and a ledger behind it."""

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.jobs.postgres.postgres import PostgresJobHistory
from tests.fixtures.servers.pgbouncers import PgBouncer, pgbouncer
from tests.fixtures.servers.servers import Servers, fresh_database, open_folder


@pytest.fixture(scope="session")
def pooler(servers: Servers) -> Iterator[PgBouncer]:
    """A pooler in transaction mode, in front of a migrated database."""
    with fresh_database(servers) as url, open_folder() as folder, pgbouncer(folder, url) as running:
        yield running


@pytest.fixture(scope="session")
def database_url(pooler: PgBouncer) -> str:
    """The address of the ledger through the pooler: contract tests run there as they are."""
    return pooler.url


@pytest.fixture
async def ledger(pooler: PgBouncer) -> AsyncIterator[PostgresJobHistory]:
    """An empty ledger."""
    with psycopg.connect(pooler.direct_url, autocommit=True) as connection:
        connection.execute("TRUNCATE jobs, idempotency_keys, webhook_deliveries CASCADE")
    engine = connect_postgres(pooler.url, application_name="test", pool_size=20)
    history = PostgresJobHistory(engine)
    yield history
    await engine.dispose()
