"""A real worker tells where it runs, what it takes and what it does; its runs name it and its slot."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
import redis

from kaboom.ingest.jobs import RUN_DAILY
from kaboom.jobs.postgres.port import Terms
from tests.fixtures.jobs.apps import JOBS, OTHER_OWNER, OTHER_TOKEN, client_of, jobs_of, running
from tests.fixtures.workers.workers import Place, worker

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]
WORKERS = "/api/v1/workers"


@pytest.fixture
def place(redis_url: str, database_url: str, tmp_path: Path) -> Place:
    """Where a worker runs, with nothing in its Redis and its ledger."""
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushdb()
    with psycopg.connect(database_url) as connection:
        connection.execute("TRUNCATE jobs CASCADE")
    return Place(redis_url, database_url, tmp_path)


async def ask_until(client: httpx2.AsyncClient, path: str, wanted: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + 60
    while not wanted(found := (await client.get(path)).json()):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)
    return found


async def test_worker_shows_its_chunks_and_its_runs_show_the_worker(place: Place) -> None:
    with worker(place, concurrency=2):
        async with running(place.settings, [OTHER_OWNER]) as app, client_of(app) as client:
            request = {"chunks": 2, "items": 4, "item_s": 0.5, "plan_s": 0.1}
            job = (await jobs_of(app).submit(RUN_DAILY, request, owner="ingest", terms=Terms("test"))).job
            (busy,) = (await ask_until(client, WORKERS, lambda w: any(each["busy"] == 2 for each in w["items"])))[
                "items"
            ]
            assert (busy["state"], busy["slots"], busy["host"] in busy["name"]) == ("online", 2, True)
            assert {"ingest", "market_data"} <= set(busy["queues"])
            assert busy["memory_bytes"] > 50_000_000
            assert busy["started_at"] <= busy["seen_at"]
            assert {(c["queue"], c["job_id"]) for c in busy["chunks"]} == {("ingest", job.job_id)}
            assert {(c["chunk"], c["slot"]) for c in busy["chunks"]} in ({("0", 1), ("1", 2)}, {("0", 2), ("1", 1)})
            async with client_of(app, **{"x-ingest-token": OTHER_TOKEN}) as other:
                (seen,) = (await other.get(WORKERS)).json()["items"]
            assert {(c["queue"], c["job_id"], c["chunk"]) for c in seen["chunks"]} == {("ingest", None, None)}
            await ask_until(client, f"{JOBS}/{job.job_id}", lambda found: found["completed_at"])
            page = (await client.get(f"{JOBS}/{job.job_id}/chunks")).json()
    runs = [run for chunk in page["items"] for run in chunk["runs"]]
    assert {(run["worker"], run["slot"], run["ending"]) for run in runs} == {
        (busy["name"], 1, "done"),
        (busy["name"], 2, "done"),
    }
