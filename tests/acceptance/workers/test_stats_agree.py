"""While a real worker plans and runs a job, the queue's statistics and the job say the same within a second."""

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
import redis

from kaboom.ingest.jobs import RUN_DAILY
from kaboom.jobs.postgres.port import Terms
from tests.fixtures.jobs.apps import JOBS, client_of, jobs_of, running
from tests.fixtures.workers.workers import Place, worker

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]


@pytest.fixture
def place(redis_url: str, database_url: str, tmp_path: Path) -> Place:
    """Where a worker runs, with nothing in its Redis and its ledger."""
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushdb()
    with psycopg.connect(database_url) as connection:
        connection.execute("TRUNCATE jobs CASCADE")
    return Place(redis_url, database_url, tmp_path)


async def test_statistics_follow_the_job_within_a_second(place: Place) -> None:
    with worker(place, concurrency=1):
        async with running(place.settings) as app, client_of(app) as client:
            request = {"chunks": 1, "items": 4, "item_s": 0.5, "plan_s": 3.0}
            admission = await jobs_of(app).submit(RUN_DAILY, request, owner="ingest", terms=Terms("test"))
            seen = await watch(client, admission.job.job_id)
    # While the plan was made, too: the job had a state, and no plan yet.
    assert ("running", False) in seen
    assert ("running", True) in seen
    assert ("completed", True) in seen


async def watch(client: httpx2.AsyncClient, job_id: str) -> set[tuple[str, bool]]:
    """Follow a job to its end; return its states, each with whether the job had a plan."""
    seen, agreed_at, deadline = set(), time.monotonic(), time.monotonic() + 60
    while time.monotonic() < deadline:
        # Either may be answered first, so the statistics may lag behind by one look.
        job, stats = await asyncio.gather(look(client, f"{JOBS}/{job_id}"), look(client, f"{JOBS}/stats"))
        counted = {status for status, count in stats["by_status"].items() if count}
        if counted == {job["status"]} and (stats["oldest_queued_s"] is None) == (job["status"] != "queued"):
            agreed_at = time.monotonic()
            seen.add((job["status"], job["result"] is not None))
        assert time.monotonic() - agreed_at < 1, (job["status"], stats)
        if job["completed_at"] and counted == {job["status"]}:
            return seen
        await asyncio.sleep(0.05)
    raise AssertionError(f"the job was {job['status']} after a minute")


async def look(client: httpx2.AsyncClient, path: str) -> dict[str, Any]:
    """Return the JSON of a page."""
    answer = await client.get(path)
    found: dict[str, Any] = answer.json()
    return found
