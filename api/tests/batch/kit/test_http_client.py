"""The client of the operator's own servers: it never raises, follows nothing, and takes no endless answer."""

import gzip
import os
import threading

import pytest

from batch.errors import InvalidRequest
from batch.kit.embedded import free_port
from batch.kit.http import Answer, HttpClient, HttpDownloader, Reply
from tests.fixtures.http_servers import Request, Response, serving

pytestmark = pytest.mark.anyio


async def get(client: HttpClient, path: str = "/x") -> Reply:
    try:
        return await client.get(path, params={"q": "a b&c"}, headers={"X-Of": "test"})
    finally:
        await client.close()


async def test_what_is_asked_arrives_and_the_answer_comes_whole() -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        seen.append(request)
        return Response(201, b"y" * 100_000, {"Retry-After": "3"})

    with serving(answer) as url:
        client = HttpClient(url)
        reply = await client.post("/write", b"body", params={"db": "b"}, headers={})
        await get(client)
    assert (reply.status, reply.body, reply.headers["retry-after"]) == (201, b"y" * 100_000, "3")
    assert [(r.method, r.path, r.params, r.body) for r in seen] == [
        ("POST", "/write", {"db": "b"}, b"body"),
        ("GET", "/x", {"q": "a b&c"}, b""),
    ]
    assert seen[1].headers["x-of"] == "test"


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with serving(lambda request: Response(307, b"", {"Location": "/elsewhere"})) as url:
        assert (await get(HttpClient(url))).status == 307


async def test_an_answer_over_the_cap_is_a_failure() -> None:
    with serving(lambda request: Response(200, b"y" * 5_000)) as url:
        reply = await get(HttpClient(url, max_bytes=4_999))
    assert (reply.status, reply.failure) == (None, "the answer was longer than 4,999 bytes")


async def test_a_server_that_says_nothing_is_waited_for_so_long() -> None:
    silent = threading.Event()

    def hold(request: Request) -> Response:
        silent.wait(30)
        return Response(None)

    with serving(hold) as url:
        reply = await get(HttpClient(url, timeout_s=0.05))
        silent.set()
    assert (reply.status, reply.failure) == (None, "no answer within 0.05 s")


async def test_where_nobody_listens_the_reason_is_told() -> None:
    reply = await get(HttpClient(f"http://127.0.0.1:{free_port()}"))
    assert (reply.status, reply.failure) == (None, "could not connect: Connection refused")


async def test_after_its_end_it_opens_anew() -> None:
    with serving(lambda request: Response(204)) as url:
        client = HttpClient(url)
        assert (await get(client)).status == (await get(client)).status == 204


async def download(url: str, *, most: int = 1 << 20, stall_s: float = 5.0) -> tuple[Answer, list[bytes]]:
    blocks: list[bytes] = []

    async def keep(block: bytes) -> None:
        blocks.append(block)
        if sum(map(len, blocks)) > most:
            raise InvalidRequest("enough")

    return await HttpDownloader(stall_s=stall_s).stream(url, keep), blocks


async def test_a_file_comes_in_blocks_as_it_travels_and_nothing_of_ours_is_sent() -> None:
    seen: list[Request] = []
    packed = gzip.compress(os.urandom(1 << 20))

    def answer(request: Request) -> Response:
        seen.append(request)
        return Response(200, packed, {"Content-Encoding": "gzip", "Set-Cookie": "a=b"})

    with serving(answer) as url:
        told, blocks = await download(f"{url}/a%2Fb?X-Sig=%2B%2f", most=2 << 20)
    assert (told.status, b"".join(blocks)) == (200, packed)
    assert max(map(len, blocks)) <= 256 << 10
    # A signature is over these very letters.
    assert seen[0].target == "/a%2Fb?X-Sig=%2B%2f"
    assert seen[0].headers.keys() == {"host", "accept", "accept-encoding", "user-agent", "connection"}


@pytest.mark.parametrize("status", [302, 403, 404, 503])
async def test_the_body_of_another_status_is_not_read(status: int) -> None:
    with serving(lambda _: Response(status, b"<Error/>", {"Location": "/x", "Retry-After": "3"})) as url:
        told, blocks = await download(url)
    assert (told.status, told.headers["Retry-After"], blocks) == (status, "3", [])


async def test_a_file_that_breaks_off_or_stalls_is_a_failure() -> None:
    with serving(lambda _: Response(200, b"x" * 1000, cut=500)) as url:
        told, _ = await download(f"{url}/x?X-Sig=secret")
    assert (told.status, told.failure) == (None, "the connection broke: ClientPayloadError")
    released = threading.Event()

    def wait(_: Request) -> Response:
        released.wait(10)
        return Response(200)

    with serving(wait) as url:
        told, _ = await download(url, stall_s=0.05)
        released.set()
    assert told.failure == "no byte within 0.05 s, or no end within 900 s"


async def test_what_takes_the_blocks_may_end_it() -> None:
    with serving(lambda _: Response(200, b"x" * 2_000_000)) as url, pytest.raises(InvalidRequest, match="enough"):
        await download(url)
