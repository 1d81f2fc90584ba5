"""Messages that nobody can read: the worker drops each with a word, lives on, and does the next good job."""

import asyncio
import base64
import json
import pickle
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from app.settings import AppSettings
from app.tasks.catalog import INGEST_RUN_DAILY
from app.tasks.lifecycle import Jobs
from app.tasks.message import build_message, list_key
from app.tasks.parts import build_parts
from tests.fixtures.apps import real_settings
from tests.fixtures.stacks import clean_environment, until

QUEUE = INGEST_RUN_DAILY.queue.value
LIST = list_key(QUEUE)
DRY_RUN = {"intervals": {"1d": 1}, "market": "TSE_PRIME", "symbols": ["7203"], "session": "2025-11-04", "dry_run": True}


def good() -> dict[str, Any]:
    """Return a sound message, for a job that does not exist, to spoil."""
    job_id = uuid.uuid4().hex
    message = build_message(INGEST_RUN_DAILY.name, {"job_id": job_id}, queue=QUEUE, task_id=job_id)
    envelope: dict[str, Any] = json.loads(message)
    return envelope


def spoiled(**changes: Any) -> bytes:
    """Return a message with other parts, at the top or in its headers or properties; `...` takes one out."""
    message = good()
    for name, value in changes.items():
        places = [message, message["headers"], message["properties"]]
        key = name.replace("_", "-") if name.replace("_", "-") in message else name
        place = next((place for place in places if key in place), message)
        if value is ...:
            del place[key]
        else:
            place[key] = value
    return json.dumps(message).encode()


def with_body(args: Any, kwargs: Any) -> bytes:
    """Return a message with another body."""
    return spoiled(body=base64.b64encode(json.dumps([args, kwargs, {}]).encode()).decode())


POISONS: dict[str, Callable[[], bytes]] = {
    "undecodable bytes": lambda: b"\xff\xfe\x00\x80",
    "nothing": lambda: b"",
    "not JSON": lambda: b"{not json",
    "JSON of another kind": lambda: b"[1, 2, 3]",
    "a NUL": lambda: b'{"body": "\x00"}',
    "no properties": lambda: spoiled(properties=...),
    "no delivery tag": lambda: spoiled(delivery_tag=...),
    "no headers": lambda: spoiled(headers=...),
    "headers of another kind": lambda: spoiled(headers="none"),
    "no task": lambda: spoiled(task=...),
    "no id": lambda: spoiled(id=...),
    "an unknown task": lambda: spoiled(task="ingest.rm_rf"),
    "a task that is a list": lambda: spoiled(task=["ingest.run_daily"]),
    "pickle": lambda: spoiled(
        content_type="application/x-python-serialize", body=base64.b64encode(pickle.dumps(print)).decode()
    ),
    "an unknown content type": lambda: spoiled(content_type="text/x-poison"),
    "an unknown encoding": lambda: spoiled(content_encoding="x-poison"),
    "an unknown body encoding": lambda: spoiled(body_encoding="rot13"),
    "a body that is not base64": lambda: spoiled(body="*" * 7),
    "a body that is not JSON": lambda: spoiled(body=base64.b64encode(b"{").decode()),
    "protocol 1": lambda: spoiled(
        headers={}, body=base64.b64encode(b'{"task": "ingest.run_daily", "id": "1", "args": 5}').decode()
    ),
    "arguments of another kind": lambda: with_body(5, "x"),
    "an argument too many": lambda: with_body([], {"job_id": "a" * 32, "x": 1}),
    "an argument of another type": lambda: with_body([], {"job_id": {"a": [1]}}),
    "an argument with a NUL": lambda: with_body([], {"job_id": "\x00" * 32}),
    "an unknown job": lambda: json.dumps(good()).encode(),
    "a time that is none": lambda: spoiled(eta="tomorrow", expires="never"),
    "a limit that is none": lambda: spoiled(timelimit="x"),
    "8 MB": lambda: with_body([], {"job_id": "a" * 8_000_000}),
}


class Line:
    """A worker on the queue, and the way to put messages and jobs in it."""

    def __init__(self, settings: AppSettings, log: Path) -> None:
        self.settings = settings
        self.log = log
        self.broker = redis.Redis.from_url(settings.require_broker_url())
        environment = clean_environment(
            REDIS_URL=settings.require_broker_url(),
            CELERY_BROKER_URL=settings.require_broker_url(),
            DATABASE_URL=settings.require_database_url(),
            KABOOM_DATA_DIR=str(settings.data_dir),
        )
        argv = [sys.executable, "-m", "celery", "-A", "app.tasks.celery_app", "worker", "--loglevel=info"]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [*argv, f"--queues={QUEUE}", "--concurrency=1", "--without-gossip", "--without-mingle"],
                cwd=settings.data_dir,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        until(lambda: " ready." in log.read_text(errors="replace"), bool, within_s=60)

    def put(self, message: bytes) -> None:
        """Put a message where it is taken next."""
        self.broker.rpush(LIST, message)

    def submit(self) -> str:
        """Submit a job that only plans."""

        async def work() -> str:
            parts = build_parts(self.settings, role="test")
            try:
                return (await Jobs(parts).submit(INGEST_RUN_DAILY, DRY_RUN, owner="ingest")).job.job_id
            finally:
                await parts.close()

        return asyncio.run(work())

    def status(self, job_id: str) -> str:
        """Return where a job stands in the ledger."""
        with psycopg.connect(self.settings.require_database_url()) as connection:
            row = connection.execute("SELECT status FROM jobs WHERE job_id = %s", [job_id]).fetchone()
        assert row is not None
        return str(row[0])

    def unacknowledged(self) -> int:
        """Return how many messages the broker would deliver again."""
        return int(self.broker.hlen("celery:unacked"))

    def stop(self) -> None:
        """End the worker."""
        self.process.terminate()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.broker.close()


@pytest.fixture(scope="module")
def line(redis_url: str, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """One worker for all poisons: each must leave it alive for the next."""
    folder = tmp_path_factory.mktemp("poison")
    with redis.Redis.from_url(redis_url) as broker:
        broker.flushdb()
    started = Line(real_settings(redis_url, database_url, folder), folder / "worker.log")
    try:
        yield started
    finally:
        started.stop()


@pytest.mark.parametrize("kind", POISONS)
def test_a_poison_is_dropped_and_the_next_good_job_is_done_within_10_s(line: Line, kind: str) -> None:
    before = len(line.log.read_bytes())
    assert line.process.poll() is None, "an earlier poison has ended the worker"
    line.put(POISONS[kind]())
    job_id = line.submit()
    until(lambda: line.status(job_id), lambda status: status == "completed", within_s=10)
    assert line.process.poll() is None
    assert line.broker.llen(LIST) == 0
    until(line.unacknowledged, lambda n: n == 0, within_s=5)
    assert len(line.log.read_bytes()) > before
