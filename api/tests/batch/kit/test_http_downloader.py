"""Files from addresses that a trusted server gave: as they travel, in blocks, and nothing of ours is said."""

import gzip
import os
import threading

import pytest

from batch.errors import InvalidRequest
from batch.kit.http.poster import Answer, HttpDownloader
from tests.fixtures.servers.http_servers import Request, Response, serving

pytestmark = pytest.mark.anyio


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
