"""What the server makes of the heads of requests, before the app sees them: sizes, forms, and who speaks next."""

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from kaboom.web.server.protocol import MAX_HEAD, MAX_HEADERS
from tests.fixtures.servers.raw_http import Served, connect, exchange, read_to_end, served, statuses

END = b"Connection: close\r\n\r\n"
HOST = b"Host: a\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST
POST = b"POST / HTTP/1.1\r\n" + HOST


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the method, the path, the length of the body and the header `x-told`."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            break
    told = dict(scope["headers"]).get(b"x-told", b"")
    text = b"%s %s %d %s." % (scope["method"].encode(), scope["raw_path"], len(body), told)
    headers = [(b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served(echo) as running:
        yield running


def pad(size: int) -> bytes:
    """Return a GET whose request line and headers are of so many bytes."""
    head = GET + b"X-Pad: \r\n" + END
    return head.replace(b"X-Pad: ", b"X-Pad: " + b"x" * (size - len(head)))


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(pad(MAX_HEAD + 4000), id="one header"),
        pytest.param(pad(900_000), id="one header of 900 kB"),
        pytest.param(b"GET /" + b"x" * MAX_HEAD + b" HTTP/1.1\r\n" + HOST + END, id="target"),
        pytest.param(GET + b"X-A: b\r\n" * MAX_HEADERS + END, id="many headers"),
        pytest.param(GET + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 2000) for n in range(60)) + END, id="large headers"),
        pytest.param(GET + b"X-A: b\r\n" * 100_000, id="headers without an end"),
        pytest.param(GET + b"x" * 900_000, id="name without an end"),
    ],
)
def test_head_over_the_limit_is_431(server: Served, head: bytes) -> None:
    answer = exchange(server.port, head)
    assert statuses(answer) == [431]
    fields, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in fields
    assert b"connection: close" in fields
    problem = orjson.loads(body)
    assert problem["type"].endswith("/headers-too-large")
    assert problem["request_id"].encode() in fields


def test_head_below_the_limit_passes(server: Served) -> None:
    assert statuses(exchange(server.port, pad(MAX_HEAD - 10))) == [200]


def test_head_in_small_pieces_is_counted_whole(server: Served) -> None:
    with connect(server.port, GET + b"X-A: ") as client:
        for _ in range(80):
            client.sendall(b"x" * 1000)
        assert statuses(read_to_end(client)) == [431]


def test_head_behind_a_large_body_is_counted_alone(server: Served) -> None:
    """The same piece of data ends a body and begins the next head."""
    body = b"x" * 60_000
    more = GET + b"X-A: " + b"y" * 20_000 + b"\r\n" + END
    answer = exchange(server.port, POST + b"Content-Length: 60000\r\n\r\n" + body + more)
    assert re.findall(rb"\w+ / \d+ \.", answer) == [b"POST / 60000 .", b"GET / 0 ."]


def test_large_head_behind_a_body_is_431(server: Served) -> None:
    answer = exchange(server.port, POST + b"Content-Length: 1\r\n\r\nx" + pad(3 * MAX_HEAD))
    assert statuses(answer) in ([200], [200, 431])


@pytest.mark.parametrize(
    ("request_bytes", "code"),
    [
        (POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
        (POST + b"Content-Length: 3, 3\r\n\r\nabc", 400),
        (POST + b"Content-Length: +3\r\n\r\nabc", 400),
        (POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        (GET + b"X-A: b\r\n c\r\n\r\n", 400),
        (GET + b"X-A: b\x00c\r\n\r\n", 400),
        (GET + b"X-A: b\rc\r\n\r\n", 400),
        (GET + b": b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET / HTTP/1.2\r\n" + HOST + b"\r\n", 400),
        (b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"CONNECT a:80 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"get / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/1.0\r\n\r\n", 200),
        (b"GET http://evil.invalid/ HTTP/1.1\r\n" + HOST + END, 200),
    ],
)
def test_ambiguous_request_is_refused(server: Served, request_bytes: bytes, code: int) -> None:
    answer = exchange(server.port, request_bytes)
    assert statuses(answer) == [code]
    if code == 400:
        assert orjson.loads(answer.partition(b"\r\n\r\n")[2])["type"].endswith("/bad-request")


def test_trailer_is_no_header(server: Served) -> None:
    head = POST + b"Transfer-Encoding: chunked\r\n" + END
    with connect(server.port, head + b"1\r\nx\r\n") as client:
        client.sendall(b"0\r\nX-Told: smuggled\r\n\r\n")
        assert b"POST / 1 ." in read_to_end(client)


def test_upgrade_is_ignored_and_ends_the_connection(server: Served) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    answer = exchange(server.port, GET + upgrade + b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n")
    assert statuses(answer) == [200]
    assert b"smuggled" not in answer


def test_bad_request_does_not_take_the_place_of_an_earlier_answer(server: Served) -> None:
    answer = exchange(server.port, GET + b"\r\n" + b"BAD\x00\r\n\r\n")
    assert statuses(answer) == [200]
    assert b"GET / 0 ." in answer


def test_pipelined_requests_are_answered_in_order_up_to_a_limit(server: Served) -> None:
    few = b"".join(b"GET /%d HTTP/1.1\r\n" % n + HOST + b"\r\n" for n in range(10)) + GET + END
    assert re.findall(rb"GET /(\d*) 0", exchange(server.port, few)) == [*(b"%d" % n for n in range(10)), b""]
    many = b"".join(b"GET /%d HTTP/1.1\r\n" % n + HOST + b"\r\n" for n in range(3000))
    assert statuses(exchange(server.port, many)) == [200]
