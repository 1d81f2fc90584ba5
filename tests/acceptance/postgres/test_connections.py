"""How many connections to PostgreSQL an API and workers open at most, counted at the server under load."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path

import httpx2
import psycopg
import pytest

from kaboom.catalog import CATALOG
from kaboom.jobs.engine.parts import build_parts
from kaboom.market.listing import Market
from kaboom.market.lists.universe import load_universe
from tests.fixtures.jobs.apps import TOKEN, real_settings
from tests.fixtures.servers.servers import Servers, fresh_database
from tests.fixtures.servers.stacks import serving
from tests.fixtures.workers.workers import Place, worker

pytestmark = pytest.mark.timeout(240)
WORKERS, CHILDREN = 2, 4
#: Of PostgreSQL's 100, three are kept for its superuser, and a few for `kaboom migrate`, `doctor` and people.
MOST_OF_FIVE_WORKERS = 85


@contextmanager
def counting(url: str) -> Iterator[list[int]]:
    """Count a database's clients many times a second, without the counter."""
    seen, stopped = [0], threading.Event()

    def count() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while not stopped.wait(0.02):
                row = connection.execute(
                    "SELECT count(*) - 1 FROM pg_stat_activity"
                    " WHERE datname = current_database() AND backend_type = 'client backend'"
                ).fetchone()
                seen.append(row[0] if row else 0)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        yield seen
    finally:
        stopped.set()
        thread.join()


async def press(url: str) -> None:
    """Submit and poll at once, more than the API has connections."""
    symbols = load_universe(Market.TSE_PRIME, date(2025, 11, 4)).symbols
    async with httpx2.AsyncClient(base_url=url, headers={"x-ingest-token": TOKEN}, timeout=60) as client:

        async def work(n: int) -> None:
            body = {"intervals": {"1h": 1}, "symbols": [symbols[n]], "session": "2025-11-04"}
            headers = {"Idempotency-Key": f"key-{n}"}
            answer = await client.post("/api/v1/ingest/run-daily", json=body, headers=headers)
            assert answer.status_code == 202, answer.text
            for _ in range(5):
                answer = await client.get(f"/api/v1/ingest/jobs?q=word{n}")
                assert answer.status_code == 200, answer.text

        await asyncio.gather(*(work(n) for n in range(40)))


def test_an_api_and_five_workers_fit_into_100(servers: Servers, redis_url: str, tmp_path: Path) -> None:
    with fresh_database(servers) as url, ExitStack() as stack:
        seen = stack.enter_context(counting(url))
        place = Place(redis_url, url, tmp_path)
        switches = {"DISABLE_CELERY": "false", "DISABLE_REDIS": "false"}
        api = stack.enter_context(serving(tmp_path / "api", REDIS_URL=redis_url, DATABASE_URL=url, **switches))
        asyncio.run(press(api.url))
        of_api = max(seen)
        for n in range(WORKERS):
            name = f"--hostname=w{n}@%h"
            stack.enter_context(worker(place, name, application="app.tasks.celery_app", concurrency=CHILDREN))
        asyncio.run(press(api.url))
        most = max(seen)
    # Pools that nothing fills would prove nothing.
    assert of_api == 8
    of_workers = most - of_api
    assert WORKERS < of_workers <= WORKERS * (4 + CHILDREN * 2)
    assert 8 + 5 * (4 + CHILDREN * 2) <= MOST_OF_FIVE_WORKERS


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("setting", "role", "most"),
    [(8, "api", 8), (8, "worker-main", 4), (8, "worker", 2), (3, "api", 3), (3, "worker", 2), (40, "worker", 10)],
)
async def test_no_process_opens_more_than_its_share(
    servers: Servers, redis_url: str, tmp_path: Path, setting: int, role: str, most: int
) -> None:
    with fresh_database(servers) as url:
        settings = real_settings(redis_url, url, tmp_path).model_copy(update={"database_pool": setting})
        parts = build_parts(settings, CATALOG, role=role)
        with counting(url) as seen:
            await asyncio.gather(*(parts.history.load("ingest", str(n)) for n in range(40)))
            # All of the pool's connections at one moment.
            await asyncio.gather(*(parts.history.stats("ingest") for _ in range(40)))
        await parts.close()
    assert 1 <= max(seen) <= most
