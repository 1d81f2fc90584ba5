"""The stream of changes over HTTP: it resumes at another API process after kill -9, and counts as a stream."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.raw_http import connect, statuses
from tests.fixtures.servers.stacks import Api, serving

MOST = 2


@pytest.fixture
def servers_env(redis_url: str, database_url: str) -> dict[str, str]:
    """What API processes share."""
    shared = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "KABOOM_MAX_STREAMS": str(2 * MOST)}
    return shared | {"DISABLE_CELERY": "false", "DISABLE_REDIS": "false"}


@contextmanager
def open_stream(api: Api, after: str = "") -> Iterator[socket.socket]:
    lines = ["GET /api/v1/events HTTP/1.1", "Host: a", f"x-ingest-token: {TOKEN}"]
    lines += [f"Last-Event-ID: {after}"] if after else []
    client = connect(int(api.url.rpartition(":")[2]), "\r\n".join([*lines, "", ""]).encode())
    client.settimeout(1)
    try:
        yield client
    finally:
        client.close()


def read_until(client: socket.socket, word: str, within_s: float = 20.0) -> str:
    text, deadline = "", time.monotonic() + within_s
    while word not in text:
        assert time.monotonic() < deadline, text
        try:
            more = client.recv(65536).decode()
        except TimeoutError:
            continue
        assert more, f"ended: {text}"
        text += more
    return text


def kill(api: Api) -> None:
    port = api.url.rpartition(":")[2]
    (process,) = [child for child in psutil.Process().children() if port in child.cmdline()]
    process.kill()


def test_stream_resumes_at_another_process_after_kill_9(tmp_path: Path, servers_env: dict[str, str]) -> None:
    with serving(tmp_path / "a", **servers_env) as one, serving(tmp_path / "b", **servers_env) as two:
        with open_stream(one) as client:
            first = one.submit(intervals={"1d": 1}, symbols=["7203"])
            text = read_until(client, first)
            if "\nid: " not in text.partition(first)[2]:
                text += read_until(client, "\nid: ")
        last = re.findall(r"^id: (\d+-\d+)\r?$", text, re.MULTILINE)[-1]
        kill(one)
        missed = two.submit(intervals={"1d": 1}, symbols=["6758"])
        with open_stream(two, after=last) as again:
            text = read_until(again, missed)
            assert "event: reset" not in text
        # Another process may send the first job again, which is a new event.
        seen = [tuple(map(int, each)) for each in re.findall(r"^id: (\d+)-(\d+)\r?$", text, re.MULTILINE)]
        assert all(each > tuple(map(int, last.split("-"))) for each in seen)


def test_open_streams_of_a_caller_are_limited(tmp_path: Path, servers_env: dict[str, str]) -> None:
    with serving(tmp_path / "a", **servers_env) as api, open_stream(api) as one, open_stream(api) as two:
        for client in (one, two):
            head = read_until(client, "changes of jobs")
            assert statuses(head.encode())[0] == 200
            assert "text/event-stream" in head
            assert "x-accel-buffering: no" in head.lower()
        with open_stream(api) as third:
            assert statuses(read_until(third, "\r\n\r\n").encode())[0] == 429
        assert api.http.get("/api/v1/alerts").status_code == 200
