"""The client of the operator's own servers: it never raises, follows nothing, and takes no endless answer."""

import threading

import pytest

from batch.kit.embedded import free_port
from batch.kit.http import HttpClient, Reply
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
