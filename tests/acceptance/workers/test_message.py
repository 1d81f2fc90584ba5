"""The Celery message that we write by hand is the one that the pinned Celery and kombu write and read."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from redis import Redis

from kaboom.jobs.engine.message import KEY_PREFIX, build_message, list_key
from tests.fixtures.repo.repository import ROOT

#: Keys that differ from message to message; all others must be equal, and none may be missing or too many.
OF_THE_MESSAGE = {("headers", "origin"), ("properties", "delivery_tag"), ("properties", "reply_to")}
#: A producer names the mailbox that it waits at; ours never waits.
NO_REPLY = ""
ORIGIN = {"request_id": "req-1", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    # Longer than the longest wait below: by default a blocking read is cut off after 5 s.
    with Redis.from_url(redis_url, decode_responses=True, socket_timeout=60) as connection:
        connection.flushdb()
        yield connection


@pytest.fixture
def producer(redis_url: str) -> Iterator[Celery]:
    """A Celery with the transport options of the worker's, that publishes."""
    made = Celery("producer", broker=redis_url, set_as_current=False)
    made.conf.update(
        result_backend="disabled://",
        task_serializer="json",
        broker_transport_options={"global_keyprefix": KEY_PREFIX},
        task_ignore_result=True,
    )
    yield made
    made.close()


def published(producer: Celery, redis: Redis, *, kwargs: dict[str, str], **options: Any) -> Any:
    """Have Celery publish a task; return the raw list element."""

    @producer.task(name="ingest.any")
    def any_task(**_kwargs: str) -> None:
        raise AssertionError("nobody runs it here")

    any_task.apply_async(kwargs=kwargs, queue="ingest", **options)
    assert list_key("ingest") in redis.keys("*")
    assert redis.llen(list_key("ingest")) == 1
    return json.loads(str(redis.rpop(list_key("ingest"))))


@pytest.mark.parametrize(
    ("shadow", "kwargs"), [("ingest.any.plan", {"job_id": "a" * 32}), (None, {"job_id": "a" * 32, "n": "17"})]
)
def test_the_envelope_is_celerys_own(
    producer: Celery, redis: Redis, shadow: str | None, kwargs: dict[str, str]
) -> None:
    task_id = uuid4().hex
    theirs = published(producer, redis, kwargs=kwargs, task_id=task_id, shadow=shadow, headers=ORIGIN)
    built = build_message("ingest.any", kwargs, queue="ingest", task_id=task_id, shadow=shadow, origin=ORIGIN)
    ours = json.loads(built)
    for message in (theirs, ours):
        message["body"] = json.loads(base64.b64decode(message["body"]))
    assert ours["properties"]["reply_to"] == NO_REPLY
    for part, key in OF_THE_MESSAGE:
        assert isinstance(ours[part].pop(key), type(theirs[part].pop(key)))
    assert ours == theirs


def test_each_message_has_its_own_delivery_tag() -> None:
    tags = {json.loads(build_message("t", {}, queue="q", task_id="1"))["properties"]["delivery_tag"] for _ in range(3)}
    assert len(tags) == 3


def test_a_stock_worker_runs_it_and_keeps_no_result(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    task_id, kwargs = uuid4().hex, {"job_id": "a" * 32, "text": "日本"}
    redis.lpush(list_key("tiny"), build_message("tiny.note", kwargs, queue="tiny", task_id=task_id, origin=ORIGIN))
    argv = ["-m", "celery", "-A", "tests.fixtures.workers.tiny_worker", "worker", "--pool=solo", "--queues=tiny"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TINY_BROKER_URL": redis_url,
        "TINY_KEY_PREFIX": KEY_PREFIX,
    }
    log = tmp_path / "worker.log"
    with log.open("wb") as out:
        worker = subprocess.Popen(
            [sys.executable, *argv, "--without-gossip", "--without-mingle", "--without-heartbeat"],
            cwd=tmp_path,
            env=environment,
            stdout=out,
            stderr=out,
        )
    try:
        done = redis.blpop(["tiny:done"], timeout=30)
        assert done is not None, log.read_text()
        assert json.loads(done[1]) == {"kwargs": kwargs, "id": task_id, "queue": "tiny", "headers": ORIGIN}
    finally:
        worker.terminate()
        worker.wait(10)
    assert redis.keys("*celery-task-meta-*") == []
    assert redis.llen(list_key("tiny")) == 0
    assert redis.exists(f"{KEY_PREFIX}unacked") == 0
