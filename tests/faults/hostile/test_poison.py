"""Messages that nobody can read: the worker drops each with a word, lives on, and does the next good job."""

import base64
import json
import pickle
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kaboom.ingest.jobs import RUN_DAILY
from kaboom.jobs.engine.message import build_message
from tests.fixtures.jobs.apps import real_settings
from tests.fixtures.servers.stacks import until
from tests.fixtures.workers.lines import LIST, QUEUE, Line

DRY_RUN = {"intervals": {"1d": 1}, "market": "TSE_PRIME", "symbols": ["7203"], "session": "2025-11-04", "dry_run": True}


def good() -> dict[str, Any]:
    """Return a sound message, for a job that does not exist, to spoil."""
    job_id = uuid.uuid4().hex
    message = build_message(RUN_DAILY.name, {"job_id": job_id}, queue=QUEUE, task_id=job_id)
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
    "an id that is another key's": lambda: with_body([], {"job_id": "a" * 32 + ":chunks"}),
    "an argument with a NUL": lambda: with_body([], {"job_id": "\x00" * 32}),
    "an unknown job": lambda: json.dumps(good()).encode(),
    "a time that is none": lambda: spoiled(eta="tomorrow", expires="never"),
    "a limit that is none": lambda: spoiled(timelimit="x"),
    "8 MB": lambda: with_body([], {"job_id": "a" * 8_000_000}),
}


@pytest.fixture(scope="module")
def line(redis_url: str, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """One worker for all poisons: each must leave it alive for the next."""
    made = Line(real_settings(redis_url, database_url, tmp_path_factory.mktemp("poison")))
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("kind", POISONS)
def test_the_job_after_a_poison_message_is_done_within_10_s(line: Line, kind: str) -> None:
    assert line.is_alive(), "an earlier poison has ended the worker"
    before = len(line.read_log())
    # Where it is taken next.
    line.broker.rpush(LIST, POISONS[kind]())
    job_id = line.submit(DRY_RUN)
    # The worker has one slot, and takes one message for it: a poison that it went on holding would be in the way.
    until(lambda: line.status(job_id), lambda status: status == "completed", within_s=10)
    assert line.is_alive()
    until(line.waiting, lambda waiting: not waiting, within_s=5)
    assert len(line.read_log()) > before
