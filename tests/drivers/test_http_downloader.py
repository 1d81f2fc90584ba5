"""Files from addresses that a trusted server gave: as they travel, in blocks, and nothing of ours is sent."""

import asyncio
import gzip
import hashlib
import os
import threading
from collections.abc import AsyncIterator

import pytest

from kaboom.drivers.embedded.servers import free_port
from kaboom.drivers.http.downloader import HttpDownloader
from kaboom.drivers.http.reply import Reply
from kaboom.errors import InvalidRequest
from tests.fixtures.servers.cut_answers import CutServer, Framing, cutting
from tests.fixtures.servers.http_servers import Request, Response, serving

pytestmark = pytest.mark.anyio
FILE = gzip.compress(b"7203,100\n" * 50)


async def download(url: str, *, most: int = 1 << 20, stall_s: float = 5.0) -> tuple[Reply, list[bytes]]:
    blocks: list[bytes] = []

    async def keep(block: bytes) -> None:
        blocks.append(block)
        if sum(map(len, blocks)) > most:
            raise InvalidRequest("enough")

    return await HttpDownloader(stall_s=stall_s).stream(url, keep), blocks


@pytest.fixture
async def server() -> AsyncIterator[CutServer]:
    async with cutting(lambda _: Response(200, FILE, {"Content-Type": "application/gzip", "X-More": "y"})) as running:
        running.is_packed = False
        yield running


async def test_a_file_is_streamed_in_blocks_without_our_headers() -> None:
    seen: list[Request] = []
    packed = gzip.compress(os.urandom(1 << 20))

    def answer(request: Request) -> Response:
        seen.append(request)
        return Response(200, packed, {"Content-Encoding": "gzip", "Set-Cookie": "a=b"})

    with serving(answer) as url:
        reply, blocks = await download(f"{url}/a%2Fb/%2f/../c?X-Sig=%2B%2f", most=2 << 20)
    assert (reply.status, b"".join(blocks)) == (200, packed)
    assert max(map(len, blocks)) <= 256 << 10
    # A signature is over these very letters.
    assert seen[0].target == "/a%2Fb/%2f/../c?X-Sig=%2B%2f"
    assert seen[0].headers.keys() == {"host", "accept", "accept-encoding", "user-agent"}
    assert seen[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("status", [302, 403, 404, 503])
async def test_the_body_of_another_status_is_not_read(status: int) -> None:
    with serving(lambda _: Response(status, b"<Error/>", {"Location": "/x", "Retry-After": "3"})) as url:
        reply, blocks = await download(url)
    assert (reply.status, reply.headers["Retry-After"], blocks) == (status, "3", [])


async def test_an_endless_error_is_not_waited_for() -> None:
    with serving(lambda _: Response(403, b"x" * 1000, cut=500)) as url:
        assert (await download(url))[0].status == 403


@pytest.mark.parametrize("framing", [Framing.LENGTH, Framing.CHUNKED])
async def test_a_file_cut_at_any_byte_is_a_failure(server: CutServer, framing: Framing) -> None:
    server.framing = framing
    reply, blocks = await download(server.url)
    assert (reply.status, b"".join(blocks)) == (200, FILE)
    for cut in range(len(server.sent[-1])):
        server.cut = cut
        reply, blocks = await download(server.url)
        assert reply.status is None, cut
        assert reply.failure
        assert FILE.startswith(b"".join(blocks))


async def test_a_slow_sink_gets_every_byte_in_bounded_blocks() -> None:
    file = os.urandom(8 << 20)
    digest, largest = hashlib.sha256(), 0

    async def take(block: bytes) -> None:
        nonlocal largest
        digest.update(block)
        largest = max(largest, len(block))
        await asyncio.sleep(0.002)

    with serving(lambda _: Response(200, file)) as url:
        reply = await HttpDownloader().stream(url, take)
    assert (reply.status, digest.digest()) == (200, hashlib.sha256(file).digest())
    # While the sink is busy the bytes wait in the network, and not here.
    assert 128 << 10 <= largest <= 256 << 10


async def test_a_file_that_breaks_off_or_stalls_is_a_failure() -> None:
    with serving(lambda _: Response(200, b"x" * 1000, cut=500)) as url:
        reply, _ = await download(f"{url}/x?X-Sig=secret")
    assert (reply.status, reply.failure) == (None, "the connection broke: end of response with 500 bytes missing")
    released = threading.Event()

    def wait(_: Request) -> Response:
        released.wait(10)
        return Response(200)

    with serving(wait) as url:
        reply, _ = await download(url, stall_s=0.05)
        released.set()
    assert reply.failure == "no byte within 0.05 s, or no end within 900 s"


async def test_a_file_that_trickles_has_an_end() -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.01)

    async def take(_block: bytes) -> None:
        pass

    async with await asyncio.start_server(trickle, "127.0.0.1", 0) as server:
        url = "http://{}:{}".format(*server.sockets[0].getsockname())
        reply = await HttpDownloader(timeout_s=0.3, stall_s=5).stream(url, take)
    assert reply.failure == "no byte within 5 s, or no end within 0.3 s"


@pytest.mark.parametrize("error", [InvalidRequest("enough"), ValueError("enough")])
async def test_what_the_sink_raises_ends_it(error: Exception) -> None:
    async def refuse(_block: bytes) -> None:
        raise error

    with serving(lambda _: Response(200, b"x" * 2_000_000)) as url, pytest.raises(type(error), match="enough"):
        await HttpDownloader().stream(url, refuse)


@pytest.mark.parametrize("odd", [" ", "\t", "\r\nX-More: y", "\0", "é", "\x7f"])
async def test_an_address_with_odd_characters_is_not_sent(odd: str) -> None:
    with serving(lambda _: Response(200, b"")) as url:
        reply, _ = await download(f"{url}/a{odd}b?X-Sig=secret")
    assert reply.failure == "the address or a header has characters that cannot be sent"


@pytest.mark.parametrize("scheme", ["file", "ftp", "gopher"])
async def test_an_address_of_another_scheme_is_a_failure(scheme: str) -> None:
    reply, blocks = await download(f"{scheme}://127.0.0.1:{free_port()}/etc/passwd?X-Sig=secret")
    assert (reply.status, blocks) == (None, [])
    assert "secret" not in reply.failure
