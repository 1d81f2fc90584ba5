"""A process of the pool that ends has closed what it had open to a provider."""

from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
import redis

from tests.fixtures.providers.fake_jquants import API_KEY, jquants_server
from tests.fixtures.providers.fake_market import small_market
from tests.fixtures.servers.stacks import serving
from tests.fixtures.workers.workers import Place, worker

REQUEST = {"intervals": {"1d": 1}, "symbols": ["7203"], "session": "2025-11-04", "provider": "jquants"}


@pytest.fixture
def place(redis_url: str, database_url: str, tmp_path: Path) -> Place:
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushdb()
    with psycopg.connect(database_url) as connection:
        connection.execute("TRUNCATE jobs CASCADE")
    return Place(redis_url, database_url, tmp_path)


def ports(pid: int) -> list[int]:
    """Return the ports of other processes that one has connections to."""
    return [place.raddr.port for place in psutil.Process(pid).net_connections("tcp") if place.raddr]


def test_a_worker_process_closes_its_provider_sessions(place: Place) -> None:
    log = place.folder / "closing.log"
    with jquants_server() as fake:
        fake.market = small_market("7203")
        port = urlsplit(fake.url).port
        keys = {"JQUANTS_API_KEY": API_KEY, "JQUANTS_BASE_URL": fake.url, "CLOSING_LOG": str(log)}
        shared = {"REDIS_URL": place.redis_url, "DATABASE_URL": place.database_url, **keys}
        with (
            worker(place, application="tests.fixtures.workers.closing_worker", concurrency=1, **keys) as running,
            serving(place.folder, **shared, DISABLE_CELERY="false", DISABLE_REDIS="false") as api,
        ):
            job = api.wait(api.submit(**REQUEST))
            assert job["status"] == "completed", job
            assert [child for child in running.children() if port in ports(child.pid)]
            assert running.stop() == 0
    left = log.read_text(encoding="utf-8").split()
    assert str(port) not in left, left
