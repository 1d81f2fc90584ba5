"""With a store away the overview tells what the other one knows, and says 503 for the rest."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from kaboom.drivers.embedded.servers import free_port
from tests.fixtures.jobs.apps import client_of, real_settings, running

pytestmark = pytest.mark.anyio
OF_REDIS = ("workers",)
OF_LEDGER = ("stats/series", "dead-letters")
OF_BOTH = ("jobs/stats",)


@pytest.fixture
async def without_redis(database_url: str, tmp_path: Path, anyio_backend: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The API with a ledger, and a Redis that is not there."""
    url = f"redis://127.0.0.1:{free_port()}/0"
    async with running(real_settings(url, database_url, tmp_path)) as app, client_of(app) as client:
        yield client


@pytest.fixture
async def without_ledger(redis_url: str, tmp_path: Path, anyio_backend: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The API with a Redis, and a ledger that is not there."""
    url = f"postgresql://postgres@/postgres?host={tmp_path}"
    async with running(real_settings(redis_url, url, tmp_path)) as app, client_of(app) as client:
        yield client


async def statuses(http: httpx2.AsyncClient) -> dict[str, int]:
    paths = (*OF_REDIS, *OF_LEDGER, *OF_BOTH, "alerts")
    return {path: (await http.get(f"/api/v1/{path}")).status_code for path in paths}


async def test_without_redis(without_redis: httpx2.AsyncClient) -> None:
    wanted = dict.fromkeys((*OF_LEDGER, "alerts"), 200) | dict.fromkeys((*OF_REDIS, *OF_BOTH), 503)
    assert await statuses(without_redis) == wanted


async def test_without_the_ledger(without_ledger: httpx2.AsyncClient) -> None:
    wanted = dict.fromkeys((*OF_REDIS, "alerts"), 200) | dict.fromkeys((*OF_LEDGER, *OF_BOTH), 503)
    assert await statuses(without_ledger) == wanted


async def test_a_stream_without_redis_asks_to_reconnect(without_redis: httpx2.AsyncClient) -> None:
    answer = await without_redis.get("/api/v1/events")
    assert answer.status_code == 200
    assert "connect again" in answer.text
    assert "data:" not in answer.text
