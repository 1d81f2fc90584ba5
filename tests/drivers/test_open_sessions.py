"""What is open to other servers is closed at the end of the loop that opened it, and opened anew where it is used."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kaboom.drivers.http.client import HttpClient
from kaboom.drivers.open_sessions import close_sessions, note_open
from kaboom.worker.loop import ProcessLoop
from tests.fixtures.jobs.apps import memory_settings, running
from tests.fixtures.servers.http_servers import Request, Response, serving

pytestmark = pytest.mark.anyio


class Keeping:
    """A server that keeps connections, and counts those that are open."""

    def __init__(self) -> None:
        self.open = 0
        self.changed = asyncio.Condition()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._count(1)
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await self._count(-1)
        writer.close()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: self.open == count)

    async def _count(self, change: int) -> None:
        async with self.changed:
            self.open += change
            self.changed.notify_all()


@asynccontextmanager
async def keeping() -> AsyncIterator[Keeping]:
    server = Keeping()
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        server.url = "http://{}:{}".format(*listening.sockets[0].getsockname())
        yield server


async def ask(client: HttpClient) -> None:
    assert (await client.get("/x", params={}, headers={})).status == 204


async def test_what_is_open_is_closed_and_opens_anew() -> None:
    async with keeping() as server:
        clients = [HttpClient(server.url) for _ in range(3)]
        for _ in range(2):
            await asyncio.gather(*map(ask, clients))
            await server.until(3)
            await close_sessions()
            await server.until(0)


async def test_an_api_that_ends_closes_what_it_had_open(tmp_path: Path) -> None:
    async with keeping() as server:
        client = HttpClient(server.url)
        async with running(memory_settings(tmp_path)):
            await ask(client)
            await server.until(1)
        await server.until(0)


def test_a_workers_loop_that_ends_closes_what_it_had_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISABLE_CELERY", "true")
    monkeypatch.setenv("DISABLE_REDIS", "true")
    asked = threading.Event()

    def answer(_request: Request) -> Response:
        asked.set()
        return Response(204)

    with serving(answer) as url:
        loop = ProcessLoop("test")
        client = HttpClient(url)
        loop.run(ask(client))
        loop.stop()
    assert asked.is_set()
    assert client._transfers is None


async def test_a_failed_close_does_not_block_other_sessions() -> None:
    class Stubborn:
        async def close(self) -> None:
            raise OSError("no")

    async with keeping() as server:
        note_open(stubborn := Stubborn())
        client = HttpClient(server.url)
        await ask(client)
        await close_sessions()
        await server.until(0)
        del stubborn


async def test_the_sessions_of_another_loop_are_left_to_it() -> None:
    class Other:
        closed = False

        async def close(self) -> None:
            self.closed = True

    other = Other()

    async def open_there() -> None:
        note_open(other)

    await asyncio.to_thread(asyncio.run, open_there())
    await close_sessions()
    assert not other.closed
