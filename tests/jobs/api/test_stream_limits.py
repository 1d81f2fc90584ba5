"""Streams that cannot be read end without a false end, and a caller has so many at once."""

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from kaboom.drivers.embedded.servers import free_port
from kaboom.drivers.redis.client import connect_redis
from kaboom.errors import StoreError
from kaboom.jobs.api.log import LogQuery
from kaboom.jobs.api.sse import stream_events, stream_lines
from kaboom.jobs.redis.events import START, EventHub, EventLog, Feed, FeedKey, JobEvent, RedisEventLog
from kaboom.jobs.redis.memory_records import MemoryEventLog
from tests.fixtures.jobs.apps import JOBS, TOKEN
from tests.fixtures.jobs.jobs import make_job
from tests.fixtures.servers.raw_http import connect, statuses
from tests.fixtures.servers.stacks import Api, serving, until

COME_BACK = b"connect again"
MOST = 3


@pytest.mark.anyio
@pytest.mark.parametrize("feed", list(Feed))
async def test_an_unreadable_stream_asks_to_reconnect(feed: Feed) -> None:
    redis = connect_redis(f"redis://127.0.0.1:{free_port()}/0", client_name="test")
    hub, job = EventHub(RedisEventLog(redis)), make_job()
    lines = stream_lines(hub, job, after=START, is_wanted=LogQuery().selects)
    stream = lines if feed is Feed.LINES else stream_events(hub, job, after=START)
    texts = [text async for text in stream]
    await redis.aclose()
    assert COME_BACK in texts[-1]
    assert b"data:" not in b"".join(texts)


@pytest.mark.anyio
async def test_log_stream_that_cannot_see_the_end_does_not_end_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaboom.jobs.api.sse._QUIET_S", 0.01)
    hub = EventHub(_WithoutEvents(MemoryEventLog()))
    texts = [text async for text in stream_lines(hub, make_job(), after=START, is_wanted=LogQuery().selects)]
    assert COME_BACK in texts[-1]


@pytest.fixture
def api(tmp_path: Path, redis_url: str, database_url: str) -> Iterator[Api]:
    """An API without workers, so that its jobs stay queued and their streams open."""
    servers = {
        "DISABLE_CELERY": "false",
        "DISABLE_REDIS": "false",
        "REDIS_URL": redis_url,
        "DATABASE_URL": database_url,
    }
    with serving(tmp_path / "data", KABOOM_MAX_STREAMS=str(2 * MOST), **servers) as running:
        yield running


def open_stream(api: Api, path: str) -> tuple[socket.socket, int, bytes]:
    """Open a stream and return it, its status and the head of its answer."""
    port = int(api.url.rpartition(":")[2])
    lines = [f"GET {path} HTTP/1.1", "Host: a", f"x-ingest-token: {TOKEN}", "Accept: text/event-stream", "", ""]
    client = connect(port, "\r\n".join(lines).encode())
    head = client.recv(65536)
    return client, statuses(head)[0], head


def test_caller_has_so_many_streams_and_gets_them_back(api: Api) -> None:
    job_id = api.submit(intervals={"1d": 1}, symbols=["7203"])
    paths = [f"{JOBS}/{job_id}/events", f"{JOBS}/{job_id}/logs", f"{JOBS}/{job_id}/events"]
    streams = [open_stream(api, path) for path in paths]
    assert [status for _, status, _ in streams] == [200] * MOST
    refused = open_stream(api, paths[0])
    assert refused[1] == 429
    assert b"\r\nretry-after: 5\r\n" in refused[2].lower()
    # Pages and polls are no streams; a wait that finds no place is answered at once.
    assert api.http.get(paths[1]).status_code == 200
    began_at = time.monotonic()
    polled = api.http.get(f"{JOBS}/{job_id}", headers={"Prefer": "wait=10"})
    assert "preference-applied" not in polled.headers
    assert time.monotonic() - began_at < 5
    streams[0][0].close()

    def again() -> int:
        client, status, _ = open_stream(api, paths[0])
        client.close()
        return status

    until(again, lambda status: status == 200, within_s=5)
    for client, _, _ in (*streams, refused):
        client.close()


class _WithoutEvents:
    """A log of which the lines can be read, and the events cannot."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def read(self, queue: str, job_id: str, *, after: str, feed: Feed = Feed.EVENTS) -> list[JobEvent]:
        if feed is Feed.EVENTS:
            raise StoreError("no answer")
        return await self._log.read(queue, job_id, after=after, feed=feed)

    async def wait(self, after: Mapping[FeedKey, str], *, timeout_ms: int) -> dict[FeedKey, list[JobEvent]]:
        return await self._log.wait(after, timeout_ms=timeout_ms)

    async def find_span(self, key: FeedKey) -> tuple[str, str] | None:
        return await self._log.find_span(key)

    async def write_lines(self, lines: Mapping[FeedKey, Sequence[str]]) -> None:
        await self._log.write_lines(lines)
