"""An answer that breaks off after any byte is a failure, however it is framed and encoded."""

import itertools
from collections.abc import AsyncIterator

import orjson
import pytest

from kaboom.drivers.http.client import HttpClient
from tests.fixtures.servers.cut_answers import CutServer, Framing, cutting
from tests.fixtures.servers.http_servers import Request, Response

pytestmark = pytest.mark.anyio

TEXT = orjson.dumps({"rows": [f"{n * n}" for n in range(20)]})
JSON, CSV = ({"Content-Type": kind, "X-More": "y"} for kind in ("application/json", "text/csv"))
SHAPES = [*itertools.product(Framing, [True, False])]


def say(_request: Request) -> Response:
    return Response(200, TEXT, CSV)


@pytest.fixture
async def server() -> AsyncIterator[CutServer]:
    async with cutting(say) as running:
        yield running


@pytest.fixture
async def client(server: CutServer) -> AsyncIterator[HttpClient]:
    made = HttpClient(server.url, timeout_s=10)
    yield made
    await made.close()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
async def test_an_answer_cut_at_any_byte_is_a_failure(
    server: CutServer, client: HttpClient, shape: tuple[Framing, bool]
) -> None:
    framing, is_packed = server.framing, server.is_packed = shape
    reply = await client.get("/x", params={}, headers={})
    is_known_to_be_whole = framing is not Framing.CLOSE or is_packed
    assert (reply.body == TEXT) is is_known_to_be_whole, reply.failure
    length = len(server.sent[-1])
    for cut in range(length):
        server.cut = cut
        reply = await client.get("/x", params={}, headers={})
        assert (reply.status, reply.body) == (None, b""), f"{cut} of {length} bytes"
        assert reply.failure


async def test_half_a_text_that_ends_by_itself_is_left_to_its_reader(server: CutServer, client: HttpClient) -> None:
    server.answer = lambda _: Response(200, TEXT, JSON)
    server.framing, server.is_packed = Framing.CLOSE, False
    assert (await client.get("/x", params={}, headers={})).body == TEXT
    server.cut = len(server.sent[0]) - 1
    half = (await client.get("/x", params={}, headers={})).body
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(half)


async def test_an_acknowledgement_with_cut_headers_is_a_failure(server: CutServer, client: HttpClient) -> None:
    server.answer = lambda _: Response(204, b"", {"X-Influxdb-Version": "2.7"})
    assert (await client.post("/write", b"line", params={}, headers={})).status == 204
    for cut in range(len(server.sent[0])):
        server.cut = cut
        assert (await client.post("/write", b"line", params={}, headers={})).status is None, cut


async def test_the_end_of_an_early_hint_is_not_the_end_of_the_headers(server: CutServer, client: HttpClient) -> None:
    wire = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No Content\r\nX-More: y\r\n\r\n"
    server.write = lambda _: wire
    for cut in range(wire.index(b"204") + 3, len(wire) + 1):
        server.cut = cut
        status = (await client.get("/x", params={}, headers={})).status
        assert status == (204 if cut == len(wire) else None), cut


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 9\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 9",
        "Content-Length: 5, 9",
        "Content-Length: -5",
        "Content-Length: five",
        "Content-Length:",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity",
    ],
)
async def test_an_answer_of_unclear_length_is_a_failure(server: CutServer, client: HttpClient, framing: str) -> None:
    server.write = lambda _: f"HTTP/1.1 200 OK\r\n{framing}\r\nConnection: close\r\n\r\nabcdefghi".encode()
    server.cut = 1_000
    reply = await client.get("/x", params={}, headers={})
    assert (reply.status, reply.body) == (None, b"")


async def test_only_gzip_is_asked_for(client: HttpClient, server: CutServer) -> None:
    asked: list[str] = []

    def note(request: Request) -> Response:
        asked.append(request.headers["accept-encoding"])
        return say(request)

    server.answer = note
    await client.get("/x", params={}, headers={})
    assert asked == ["gzip"]
