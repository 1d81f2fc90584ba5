"""Celery's own tools show the truth: `inspect active_queues` the five queues, and Flower each job as it stands."""

import re
import socket
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

from kaboom.drivers.embedded.servers import free_port
from kaboom.jobs.model import Queue
from tests.fixtures.repo.repository import load_text
from tests.fixtures.servers.stacks import clean_environment, until
from tests.fixtures.workers.workers import Place, worker

pytestmark = pytest.mark.timeout(400)
PAGE = "docs/operations/worker.md"
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
        # A start is 2 s of CPU; on a machine with 25 others that run it was more than 60 s.
        until(answers, bool, within_s=150)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(20)


def shown(client: httpx2.Client, path: str) -> dict[str, Any]:
    answer = client.get(path)
    return orjson.loads(answer.content) if answer.status_code == 200 else {}


def seen(client: httpx2.Client, wanted: dict[str, str], *, within_s: float = 60) -> dict[str, Any]:
    """Return Flower's tasks once those that are wanted have their states."""

    def states(tasks: dict[str, Any]) -> dict[str, str]:
        return {task_id: task["state"] for task_id, task in tasks.items() if task_id in wanted}

    tasks = until(lambda: shown(client, "/api/tasks"), lambda found: states(found) == wanted, within_s=within_s)
    assert states(tasks) == wanted
    return tasks


def submit_until_seen(place: Place, client: httpx2.Client) -> None:
    """Submit jobs until Flower sees their steps: it turns on events itself, some seconds after it starts."""
    submitted: list[str] = []

    def submit() -> set[str]:
        submitted.append(place.submit(chunks=1, items=1, item_s=0))
        place.wait(submitted[-1])
        return set(shown(client, "/api/tasks"))

    until(submit, lambda found: f"{submitted[0]}-plan" in found or f"{submitted[-1]}-0" in found, within_s=60)


def test_flower_shows_each_job_as_it_stands(redis_url: str, database_url: str, tmp_path: Path) -> None:
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushdb()
    place = Place(redis_url, database_url, tmp_path)
    with worker(place) as running, flower(place) as client:
        submit_until_seen(place, client)
        completed = place.submit(chunks=2, items=1, item_s=0)
        partial = place.submit(chunks=1, items=2, item_s=0, bad=["item0"])
        failed = place.submit(chunks=1, items=1, item_s=0, bad=["item0"])
        unplanned = place.submit(chunks=1, items=1, item_s=0, plan_error="no such market")
        wanted = {completed: "SUCCESS", partial: "SUCCESS", failed: "FAILURE", unplanned: "FAILURE"}
        # The steps have ids and names of their own, and their own ends.
        wanted |= {f"{completed}-{n}": "SUCCESS" for n in ("plan", "0", "1")} | {f"{unplanned}-plan": "FAILURE"}
        tasks = seen(client, wanted)
        assert {tasks[i]["name"] for i in (completed, unplanned)} == {"ingest.run_daily"}
        assert tasks[f"{completed}-plan"]["name"] == "ingest.run_daily.plan"
        assert tasks[f"{completed}-0"]["name"] == "ingest.chunk"
        # All that a message says of its work: nothing in it is secret.
        assert tasks[f"{completed}-0"]["kwargs"] == f"{{'job_id': '{completed}', 'n': '0'}}"
        assert "'status': 'partial'" in tasks[partial]["result"]
        assert "1 of 1 items failed" in tasks[failed]["exception"]
        assert tasks[unplanned]["exception"] == "JobFailed('InvalidRequest: no such market')"

        slow = place.submit(chunks=1, items=600, item_s=0.1)
        seen(client, {slow: "STARTED", f"{slow}-plan": "SUCCESS", f"{slow}-0": "STARTED"})
        page = client.get(f"/task/{slow}").text
        assert "STARTED" in page
        assert "ingest.run_daily" in page
        place.cancel(slow)
        seen(client, {slow: "REVOKED"})
        # The jobs are under the worker that ran them, and no other is made up.
        assert set(shown(client, "/api/workers")) == {f"celery@{socket.gethostname()}"}
        # The failed steps have not filled the log with tracebacks of Celery's.
        log = running.log.read_text()
        at = log.find("Traceback")
        assert at < 0, log[max(0, at - 1000) : at + 5000]


def test_celery_inspects_without_kabooms_code(redis_url: str, database_url: str, tmp_path: Path) -> None:
    place = Place(redis_url, database_url, tmp_path)
    (code,) = (block for block in re.findall("```python\n(.*?)```", load_text(PAGE), re.DOTALL) if "prefix" in block)
    (tmp_path / "plain.py").write_text(code.replace("redis://127.0.0.1:6379/0", redis_url))
    with worker(place):
        argv = (sys.executable, "-m", "celery", "-A", "plain", "inspect", "ping", "--json", "--timeout=10")
        done = subprocess.run(argv, env=clean_environment(), cwd=tmp_path, capture_output=True, text=True, check=True)
        assert list(orjson.loads(done.stdout).values()) == [{"ok": "pong"}]


def test_celery_inspects_the_queues(redis_url: str, database_url: str, tmp_path: Path) -> None:
    place = Place(redis_url, database_url, tmp_path)
    with worker(place):
        argv = (*CELERY, "inspect", "active_queues", "--json", "--timeout=10")
        done = subprocess.run(argv, env=environment(place), cwd=tmp_path, capture_output=True, text=True, check=True)
        (queues,) = orjson.loads(done.stdout).values()
        assert {queue["name"] for queue in queues} == {queue.value for queue in Queue}
