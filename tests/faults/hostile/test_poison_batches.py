"""Deeply nested, huge and odd messages, alone and in batches of 200 among good jobs: row 53."""

import base64
import gzip
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kaboom.worker.transport import MAX_BYTES
from tests.faults.hostile.test_poison import DRY_RUN, good, spoiled
from tests.fixtures.jobs.apps import real_settings
from tests.fixtures.servers.stacks import until
from tests.fixtures.workers.lines import LIST, Line

pytestmark = pytest.mark.timeout(240)
BATCH = 200
#: For a batch of 200 and three good jobs. It was for ever: each deep argument kept one process of the pool.
WITHIN_S = 15


def nested(depth: int) -> str:
    """Return JSON of so many arrays inside each other."""
    return "[" * depth + "]" * depth


def deep(part: str, depth: int) -> bytes:
    """Return a message with nested JSON in its headers, properties or body, or in an argument."""
    message: dict[str, Any] = good()
    if part == "envelope":
        return nested(depth).encode()
    if part == "body":
        message["body"] = base64.b64encode(nested(depth).encode()).decode()
    elif part == "argument":
        body = json.dumps([[], {"job_id": "HERE"}, {}]).replace('"HERE"', nested(depth))
        message["body"] = base64.b64encode(body.encode()).decode()
    else:
        message[part]["x"] = "HERE"
    return json.dumps(message).replace('"HERE"', nested(depth)).encode()


def compressed(size: int) -> bytes:
    """Return a message whose body becomes so many bytes when it is unpacked."""
    message = good()
    message["headers"]["compression"] = "application/x-gzip"
    message["body"] = base64.b64encode(gzip.compress(b" " * size)).decode()
    return json.dumps(message).encode()


def header(**values: Any) -> Callable[[], bytes]:
    """Return how to make a message with other headers."""
    return lambda: spoiled(**values)


ODD: dict[str, Any] = {"object": {"a": [1]}, "huge number": 10**400, "nested": [[[]]], "text": "x" * 1000}
DEEP: dict[str, Callable[[], bytes]] = {
    f"{part}, {depth} deep": lambda part=part, depth=depth: deep(part, depth)  # type: ignore[misc]
    for part in ("envelope", "body", "argument", "headers", "properties")
    for depth in (900, 5_000, 30_000)
}
HUGE: dict[str, Callable[[], bytes]] = {
    "a body of 4 MB": lambda: spoiled(body=base64.b64encode(b"[" + b" " * 3_000_000 + b"]").decode()),
    "a header of 4 MB": header(x="x" * 4_000_000),
    "a little too large": header(x="x" * MAX_BYTES),
    "bytes that are not UTF-8": lambda: json.dumps(good()).encode() + b"\xff",
    "a body that is not UTF-8": header(body=base64.b64encode(b'[[], {"job_id": "\xff"}, {}]').decode()),
    "a packed body of 400 MB": lambda: compressed(400_000_000),
    "for the year 2999": header(eta="2999-01-01T00:00:00"),
    "a limit of no time": header(timelimit=[-1, -1]),
    "expired": header(expires="2001-01-01T00:00:00"),
}
HEADERS: dict[str, Callable[[], bytes]] = {
    f"{name}: {kind}": header(**{name: value})
    for name in ("argsrepr", "stamps", "stamped_headers", "retries", "group", "root_id", "origin", "lang", "expires",
                 "reply_to", "correlation_id", "priority", "delivery_info", "timelimit", "task", "id", "parent_id",
                 "ignore_result", "shadow", "replaced_task_nesting", "content_type")
    for kind, value in ODD.items()
}  # fmt: skip


@pytest.fixture(scope="module")
def line(redis_url: str, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """One worker with two processes, which all batches share: each must leave both free for the next."""
    made = Line(real_settings(redis_url, database_url, tmp_path_factory.mktemp("poison-batches")))
    try:
        made.start(concurrency=2)
        yield made
    finally:
        made.close()


def messages(line: Line) -> Counter[str]:
    """Return how often the worker has logged each message of the transport."""
    lines = [json.loads(text) for text in line.read_log().splitlines() if text.startswith("{")]
    return Counter(each["message"] for each in lines if each["logger"] == "kaboom.worker.transport")


def time_good_jobs(line: Line, batch: list[bytes]) -> float:
    """Return the seconds until three jobs are done that wait among and behind a batch."""
    begun_at = time.monotonic()
    # The worker takes from the right, and `submit` puts to the left: half comes before the jobs, half among them.
    for poison in batch[: len(batch) // 2]:
        line.broker.rpush(LIST, poison)
    jobs = [line.submit(DRY_RUN)]
    for poison in batch[len(batch) // 2 :]:
        line.broker.lpush(LIST, poison)
    jobs += [line.submit(DRY_RUN) for _ in range(2)]
    for job_id in jobs:
        until(lambda job_id=job_id: line.status(job_id), lambda s: s == "completed", within_s=WITHIN_S * 4)  # type: ignore[misc]
    taken = time.monotonic() - begun_at
    until(line.waiting, lambda waiting: not waiting, within_s=WITHIN_S)
    return taken


@pytest.mark.parametrize("kind", [*DEEP, *HUGE])
def test_two_of_a_kind_leave_both_processes_free(line: Line, kind: str) -> None:
    poison = (DEEP | HUGE)[kind]()
    taken = time_good_jobs(line, [poison] * 3)
    assert line.is_alive()
    assert taken < WITHIN_S


def test_a_batch_of_200_nested_messages_does_not_hold_up_good_jobs(line: Line) -> None:
    before = messages(line)
    kinds = list(DEEP.values())
    batch = [kinds[n % len(kinds)]() for n in range(BATCH)]
    taken = time_good_jobs(line, batch)
    told = messages(line) - before
    assert line.is_alive()
    assert told["message_rejected"] + told["message_unreadable"] == BATCH
    assert taken < WITHIN_S


def test_each_is_logged_with_its_queue_size_and_reason(line: Line) -> None:
    poison = deep("argument", 5_000)
    time_good_jobs(line, [poison, b"x" * (MAX_BYTES + 1)])
    lines = [json.loads(text) for text in line.read_log().splitlines() if text.startswith("{")]
    rejected = next(each for each in lines if each.get("size") == len(poison))
    unreadable = next(each for each in lines if each.get("size") == MAX_BYTES + 1)
    assert rejected["message"] == "message_rejected"
    assert unreadable["message"] == "message_unreadable"
    assert f"expected at most {MAX_BYTES}" in unreadable["error"]
    for each in (rejected, unreadable):
        assert each["queue"].endswith("ingest")
        assert each["error"]
        assert len(json.dumps(each)) < 1000


def test_headers_of_odd_types_do_not_hold_up_good_jobs(line: Line) -> None:
    taken = time_good_jobs(line, [make() for make in HEADERS.values()])
    assert line.is_alive()
    assert taken < WITHIN_S


def test_a_nested_broadcast_is_ignored(line: Line) -> None:
    for key in line.broker.pubsub_channels("*"):
        line.broker.publish(key, nested(30_000))
        line.broker.publish(key, b"\xff")
        line.broker.publish(key, b"[1]")
    assert time_good_jobs(line, []) < WITHIN_S
    assert line.is_alive()
