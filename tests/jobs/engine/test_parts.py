"""The parts of a process: built from the settings, and closed with all their connections."""

from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy.pool import QueuePool

from kaboom.catalog import CATALOG
from kaboom.drivers.redis.client import connect_redis
from kaboom.jobs.engine.parts import build_parts
from tests.fixtures.jobs.apps import real_settings
from tests.fixtures.jobs.job_steps import until

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("role", "most"), [("api", 12), ("worker-main", 6), ("worker", 3)])
async def test_the_processes_of_a_worker_open_fewer_connections_to_postgresql(
    redis_url: str, database_url: str, tmp_path: Path, role: str, most: int
) -> None:
    settings = real_settings(redis_url, database_url, tmp_path).model_copy(update={"database_pool": 12})
    parts = build_parts(settings, CATALOG, role=role)
    assert parts.database.engine is not None
    pool = parts.database.engine.pool
    assert isinstance(pool, QueuePool)
    assert pool.size() + pool._max_overflow == most
    await parts.close()


async def test_closed_parts_have_no_connection_left(redis_url: str, database_url: str, tmp_path: Path) -> None:
    apart = SecretStr(redis_url.rpartition("/")[0] + "/15")
    values = {"celery_broker_url": apart, "celery_result_backend": SecretStr(f"{redis_url}?protocol=3")}
    parts = build_parts(
        real_settings(redis_url, database_url, tmp_path).model_copy(update=values), CATALOG, role="test"
    )
    redis = connect_redis(redis_url, client_name="watching")

    async def connections() -> list[str]:
        clients = [client["name"] for client in await redis.client_list() if client["name"].startswith(parts.name)]
        with psycopg.connect(database_url) as connection:
            rows = connection.execute("SELECT application_name FROM pg_stat_activity").fetchall()
        return sorted(clients) + [name for (name,) in rows if name and name == parts.name]

    await parts.check()
    await parts.results.claim_rebuild()
    await parts.history.load("ingest", "0" * 32)
    assert set(await connections()) == {parts.name, f"{parts.name}-broker", f"{parts.name}-results"}
    assert (await connections()).count(parts.name) >= 2
    await parts.close()
    assert await until(connections, lambda left: not left) == []
    await redis.aclose()
