"""How long a client may keep the server waiting, in sending and in reading; here 2 s for what is 10 s elsewhere."""

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kaboom.web.server import protocol
from kaboom.web.server.connections import Connections
from tests.fixtures.servers.raw_http import Served, connect, exchange, is_closed, read_to_end, served, statuses
from tests.fixtures.servers.stacks import until

WAIT_S = 2
#: Deadlines are looked at once a second.
LATE_S = 2.5
HOST = b"Host: a\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST
#: What the app noticed, by path.
SEEN: dict[str, str] = {}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Refuse unread, stream, wait for the client's end, send 8 MB, by the path; else answer when the body is there."""
    path = scope["path"]
    if path == "/":
        while (message := await receive())["type"] == "http.request" and message["more_body"]:
            pass
        SEEN[path] = message["type"]
    status, length = (413, 8) if path == "/refuse" else (200, 8_000_000 if path == "/large" else 8)
    headers = [] if path == "/stream" else [(b"content-length", b"%d" % length)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if path == "/endless":
        await receive()
        SEEN[path] = (await receive())["type"]
    if path == "/stream":
        for _ in range(10):
            await send({"type": "http.response.body", "body": b"tick", "more_body": True})
            await asyncio.sleep(0.5)
    await send({"type": "http.response.body", "body": b"x" * length})
    SEEN[path] = SEEN.get(path, "answered")


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (protocol, protocol):
            patch.setattr(module, "WAIT_S", WAIT_S)
        with served(app) as running:
            yield running


def timed_end(client: socket.socket) -> tuple[bytes, float]:
    """Return what comes until the server closes the connection, and how long that took."""
    began_at = time.monotonic()
    return read_to_end(client), time.monotonic() - began_at


def feed_slowly(client: socket.socket, piece: bytes) -> None:
    """Send a piece each 0.1 s until the server answers."""
    client.settimeout(0.1)
    deadline = time.monotonic() + WAIT_S + LATE_S
    while time.monotonic() < deadline:
        client.sendall(piece)
        try:
            if client.recv(1, socket.MSG_PEEK):
                break
        except TimeoutError:
            continue
    client.settimeout(5)


def test_silent_connection_is_closed(server: Served) -> None:
    with connect(server.port) as client:
        answer, took_s = timed_end(client)
    assert answer == b""
    assert WAIT_S - 1 <= took_s <= WAIT_S + LATE_S


@pytest.mark.parametrize(
    ("begun", "piece"),
    [
        pytest.param(b"GET / HTTP/1.1\r\n" + HOST, b"X-A: b\r\n", id="headers"),
        pytest.param(b"", b"G", id="method"),
        pytest.param(POST + b"Content-Length: 60000\r\n\r\n", b"x", id="body"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1;a=b\r\nx\r\n", id="chunks"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a", id="chunk extension"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n", id="trailers"),
    ],
)
def test_slow_request_is_408(server: Served, begun: bytes, piece: bytes) -> None:
    SEEN.clear()
    with connect(server.port, begun) as client:
        feed_slowly(client, piece)
        assert statuses(read_to_end(client)) in ([408], [400])
    if begun.startswith(b"POST"):
        until(lambda: SEEN.get("/"), lambda seen: seen == "http.disconnect", within_s=2)


def test_empty_lines_do_not_keep_a_connection_open(server: Served) -> None:
    with connect(server.port) as client:

        def send() -> bool:
            client.sendall(b"\r\n")
            return is_closed(client)

        until(send, bool, within_s=WAIT_S + LATE_S, every_s=0.1)


def test_idle_connection_is_closed_after_an_answer(server: Served) -> None:
    with connect(server.port, b"GET / HTTP/1.1\r\n" + HOST + b"\r\n") as client:
        answer, took_s = timed_end(client)
    assert statuses(answer) == [200]
    assert took_s <= WAIT_S + LATE_S


def test_answer_that_takes_long_is_not_cut_off(server: Served) -> None:
    with connect(server.port, b"GET /stream HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n") as client:
        answer, took_s = timed_end(client)
    assert answer.count(b"tick") == 10
    assert took_s > WAIT_S + LATE_S


def test_stream_hears_of_the_end_behind_which_a_request_waits(server: Served) -> None:
    SEEN.clear()
    stream = b"GET /endless HTTP/1.1\r\n" + HOST + b"\r\n"
    with connect(server.port, stream + b"GET / HTTP/1.1\r\n" + HOST + b"\r\n") as client:
        assert client.recv(12) == b"HTTP/1.1 200"
    until(lambda: SEEN.get("/endless"), lambda seen: seen == "http.disconnect", within_s=3)


def test_client_that_does_not_read_is_let_go(server: Served) -> None:
    SEEN.clear()
    with connect(server.port, b"GET /large HTTP/1.1\r\n" + HOST + b"\r\n") as client:
        until(lambda: server.connections, lambda count: count == 1, within_s=2)
        until(lambda: server.connections, lambda count: count == 0, within_s=WAIT_S + LATE_S + 1)
        assert "/large" in SEEN
        assert len(read_to_end(client)) < 8_000_000


def test_client_that_reads_slowly_gets_all(server: Served) -> None:
    with connect(server.port, b"GET /large HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n") as client:
        found = 0
        began_at = time.monotonic()
        while piece := client.recv(262_144):
            found += len(piece)
            time.sleep(0.2)
    assert found > 8_000_000
    assert time.monotonic() - began_at > WAIT_S + LATE_S


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(
            b"POST /refuse HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4000000\r\n\r\n", id="close"
        ),
        pytest.param(b"POST /refuse HTTP/1.0\r\nContent-Length: 4000000\r\n\r\n", id="HTTP/1.0"),
        pytest.param(
            b"POST /refuse HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3d0900\r\n",
            id="chunked",
        ),
        pytest.param(b"POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n", id="kept alive"),
    ],
)
def test_client_that_sends_all_before_it_reads_sees_the_answer(server: Served, head: bytes) -> None:
    with connect(server.port, head) as client:
        client.sendall(b"x" * 4_000_000)
        time.sleep(0.2)
        assert statuses(client.recv(65536)) == [413]


def test_an_endless_body_is_not_read_forever(server: Served) -> None:
    head = POST.replace(b"/ ", b"/refuse ") + b"Content-Length: 4000000000\r\n\r\n"
    with connect(server.port, head) as client, pytest.raises((BrokenPipeError, ConnectionResetError)):
        client.sendall(b"x" * 100_000_000)


def test_connection_is_used_again_after_a_refused_body(server: Served) -> None:
    refused = b"POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000
    answers = exchange(server.port, refused + b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    assert statuses(answers) == [413, 200]


def test_full_server_closes_who_waits_longest_and_never_who_is_answered() -> None:
    with served(app, most_connections=8) as server:
        streams = [connect(server.port, b"GET /stream HTTP/1.1\r\n" + HOST + b"\r\n") for _ in range(6)]
        for stream in streams:
            assert stream.recv(12) == b"HTTP/1.1 200"
        silent = [connect(server.port) for _ in range(40)]
        for _ in range(5):
            answer = exchange(server.port, b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
            assert statuses(answer) == [200]
        until(lambda: server.connections, lambda count: count <= 8, within_s=2)
        assert all(read_to_end(client) == b"" for client in silent[:30])
        more = [connect(server.port, b"GET /stream HTTP/1.1\r\n" + HOST + b"\r\n") for _ in range(2)]
        assert [stream.recv(12) for stream in more] == [b"HTTP/1.1 200"] * 2
        # All eight are being answered.
        with connect(server.port) as late:
            assert read_to_end(late) == b""
        for client in (*streams, *silent, *more):
            client.close()


def test_table_forgets_connections_that_are_gone() -> None:
    with served(app, most_connections=8) as server:
        table: Connections = server.table
        for _ in range(4):
            # Four more than there is room for.
            clients = [connect(server.port) for _ in range(12)]
            assert until(lambda: len(table.members), lambda count: count >= 8, within_s=3) <= 12
            for client in clients:
                client.close()
            until(lambda: (len(table.members), len(table.leaving)), lambda left: left == (0, 0), within_s=3)
