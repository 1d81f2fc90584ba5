"""Celery's own tools see the workers: `inspect active_queues` the five queues, and Flower the tasks."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
import redis

from app.jobs.queues import Queue
from batch.kit.embedded.servers import free_port
from tests.fixtures.servers.stacks import clean_environment, until
from tests.fixtures.workers.workers import Place, worker

pytestmark = pytest.mark.timeout(180)
CELERY = (sys.executable, "-m", "celery", "-A", "app.tasks.celery_app")


def environment(place: Place) -> dict[str, str]:
    """Return what a command needs that looks at the worker from beside."""
    return clean_environment(
        REDIS_URL=place.redis_url,
        DATABASE_URL=place.database_url,
        KABOOM_DATA_DIR=str(place.folder),
        FLOWER_UNAUTHENTICATED_API="true",
    )


@contextmanager
def flower(place: Place) -> Iterator[httpx2.Client]:
    """Give a client of a running Flower, attached as its manual says."""
    port = free_port()
    log = place.folder / "flower.log"
    with log.open("wb") as out:
        argv = (*CELERY, "flower", "--address=127.0.0.1", f"--port={port}")
        process = subprocess.Popen(argv, env=environment(place), cwd=place.folder, stdout=out, stderr=out)
    client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False)

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        with suppress(httpx2.HTTPError):
            return client.get("/healthcheck").status_code == 200
        return False

    try:
        until(answers, bool, within_s=60)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(20)


def shown(client: httpx2.Client, path: str) -> dict[str, Any]:
    answer = client.get(path)
    return orjson.loads(answer.content) if answer.status_code == 200 else {}


def test_flower_shows_the_tasks_and_celery_the_queues(redis_url: str, database_url: str, tmp_path: Path) -> None:
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushdb()
    place = Place(redis_url, database_url, tmp_path)
    # Events are off by default: nothing of ours needs them. Flower does, hence -E.
    with worker(place, "-E"), flower(place) as client:
        until(lambda: shown(client, "/api/workers?refresh=true"), bool, within_s=30, every_s=0.5)
        # What is told before Flower listens is lost, as events are.
        job_id = place.submit(chunks=2, items=1, item_s=0)
        place.wait(job_id)
        ids = {job_id, f"{job_id}-0", f"{job_id}-1"}
        tasks = until(
            lambda: shown(client, "/api/tasks"),
            lambda found: {i for i, task in found.items() if task["state"] == "SUCCESS"} >= ids,
            within_s=30,
        )
        assert {tasks[i]["name"] for i in ids} == {"ingest.run_daily", "ingest.chunk"}
        # All that a message says of its work: nothing in it is secret.
        assert {tasks[i]["kwargs"] for i in ids} == {
            f"{{'job_id': '{job_id}'}}",
            f"{{'job_id': '{job_id}', 'n': '0'}}",
            f"{{'job_id': '{job_id}', 'n': '1'}}",
        }
        argv = (*CELERY, "inspect", "active_queues", "--json", "--timeout=10")
        done = subprocess.run(argv, env=environment(place), cwd=tmp_path, capture_output=True, text=True, check=True)
        (queues,) = orjson.loads(done.stdout).values()
        assert {queue["name"] for queue in queues} == {queue.value for queue in Queue}
