"""What PostgreSQL reports of its load, also to a role without rights of monitoring."""

import psycopg
import pytest

from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.jobs.postgres.load import measure_database
from tests.fixtures.servers.servers import Servers, fresh_database

pytestmark = pytest.mark.anyio


async def test_each_connection_and_the_growth_are_seen(servers: Servers, anyio_backend: str) -> None:
    with fresh_database(servers) as url:
        engine = connect_postgres(url, application_name="test")
        before = await measure_database(engine)
        with psycopg.connect(url) as one, psycopg.connect(url):
            one.execute("CREATE TABLE filler AS SELECT repeat(md5(n::text), 99) FROM generate_series(1, 2000) AS n")
            one.commit()
            after = await measure_database(engine)
        await engine.dispose()
    # Other tests share the server.
    assert after.connections >= 3
    assert after.size > before.size
    assert 0 < after.connections < after.max_connections < 1000
