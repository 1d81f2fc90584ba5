"""More jobs than a sweep looks at (row 17): a backlog is not multiplied, survives its Redis, and is worked off once."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from kaboom.catalog import CATALOG
from kaboom.drivers.redis.client import connect_redis
from kaboom.ingest.jobs import RUN_DAILY
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.engine.message import list_key
from kaboom.jobs.engine.parts import Parts, build_parts
from kaboom.jobs.engine.reaper import Reaper
from kaboom.jobs.postgres.port import UNFINISHED_PAGE, Terms
from kaboom.jobs.redis import keys
from kaboom.jobs.redis.redis_store import RedisJobStore
from tests.fixtures.jobs.jobs import QUEUE
from tests.fixtures.servers.servers import Servers, fresh_database
from tests.fixtures.servers.stacks import until
from tests.fixtures.workers.workers import Place, worker

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]
JOBS = UNFINISHED_PAGE + 100
REQUEST = {"chunks": 1, "items": 1, "item_s": 0}
#: What a worker has taken and not yet claimed, or claimed and not yet begun.
ON_THE_WAY = 10


@pytest.fixture
def place(servers: Servers, redis_url: str, tmp_path: Path) -> Iterator[Place]:
    """Where a worker will run, with an empty Redis and a ledger of its own: another test's schedule would fire."""
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushdb()
    with fresh_database(servers) as database_url:
        yield Place(redis_url, database_url, tmp_path)


@pytest.fixture
def client(place: Place) -> Any:
    """A client of the Redis, whose answers redis-py annotates for text and bytes at once."""
    return redis.Redis.from_url(place.redis_url, decode_responses=True)


@pytest.fixture
async def parts(place: Place, anyio_backend: str) -> AsyncIterator[Parts]:
    """Parts of a process whose messages count as lost after a moment instead of ten seconds."""
    built = build_parts(place.settings, CATALOG, role="test")
    store = RedisJobStore(connect_redis(place.redis_url, client_name="test"), dispatch_s=0.1)
    yield replace(built, store=store)
    await store.close()
    await built.close()


async def pile_up(parts: Parts, database_url: str) -> list[str]:
    """Submit the jobs, and make them old enough for the reaper to look at them."""
    jobs = Jobs(parts)
    submitted = await asyncio.gather(
        *(jobs.submit(RUN_DAILY, REQUEST, owner="ingest", terms=Terms(uuid.uuid4().hex)) for _ in range(JOBS))
    )
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE jobs SET requested_at = requested_at - interval '1 minute'")
    return [admission.job.job_id for admission in submitted]


def waiting(client: Any) -> tuple[int, int]:
    """Return how many messages wait for a worker, and how many chunks for a claim."""
    with client.pipeline() as pipe:
        pipe.llen(list_key(QUEUE))
        pipe.zcard(keys.dispatch(QUEUE))
        messages, chunks = pipe.execute()
    return messages, chunks


def assert_worked_off_once(place: Place, client: Any) -> None:
    """Check that each job is completed, each chunk was claimed once, and nothing is left."""
    with psycopg.connect(place.database_url) as connection:
        jobs = connection.execute(
            "SELECT status, done, total, error, count(*) FROM jobs GROUP BY 1, 2, 3, 4"
        ).fetchall()
        chunks = connection.execute("SELECT state, attempts, count(*) FROM job_chunks GROUP BY 1, 2").fetchall()
    assert jobs == [("completed", 1, 1, None, JOBS)]
    assert chunks == [("done", 1, JOBS)]
    assert len(place.lines()) == JOBS
    assert waiting(client) == (0, 0)
    assert client.zcard(keys.leases(QUEUE)) == 0


async def test_a_backlog_is_not_multiplied_survives_its_redis_and_is_worked_off_once(
    place: Place, parts: Parts, client: Any
) -> None:
    job_ids = await pile_up(parts, place.database_url)
    assert waiting(client) == (JOBS, JOBS)

    # Every message is overdue, and each sweep could send all of them again.
    reaper = Reaper(parts)
    until(lambda: client.zcount(keys.dispatch(QUEUE), "-inf", _now_ms(client)), lambda due: due == JOBS, within_s=20)
    for _ in range(5):
        await reaper.sweep()
    assert waiting(client) == (JOBS, JOBS)

    client.flushdb()
    await reaper.sweep()
    assert None not in await parts.store.statuses(QUEUE, job_ids)
    assert waiting(client) == (JOBS, JOBS)

    with worker(place, concurrency=2):
        peak = 0.0
        while client.zcard(keys.active(QUEUE)):
            messages, chunks = waiting(client)
            peak = max(peak, (messages - ON_THE_WAY) / max(chunks, 1))
            await asyncio.sleep(0.05)
    assert peak <= 1.1
    assert_worked_off_once(place, client)


def _now_ms(client: Any) -> int:
    seconds, micros = client.time()
    return int(seconds * 1000 + micros // 1000)
