"""The client of the operator's own servers: it never raises, follows nothing, and takes no endless answer."""

import asyncio
import contextlib
import gzip
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kaboom.drivers.embedded.servers import free_port
from kaboom.drivers.http import curl
from kaboom.drivers.http.client import HttpClient
from kaboom.drivers.http.curl import find_authorities
from kaboom.drivers.http.reply import Reply
from tests.fixtures.servers.authority import Authority
from tests.fixtures.servers.http_servers import Request, Response, serving

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


async def test_an_answer_that_unpacks_to_more_than_the_cap_is_a_failure() -> None:
    packed = gzip.compress(bytes(1 << 20))
    with serving(lambda request: Response(200, packed, {"Content-Encoding": "gzip"})) as url:
        assert (await get(HttpClient(url))).body == bytes(1 << 20)
        reply = await get(HttpClient(url, max_bytes=1 << 19))
    assert (len(packed) < 2000, reply.failure) == (True, "the answer was longer than 524,288 bytes")


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (Response(200, b"x" * 1000, cut=500), "the connection broke: end of response with 500 bytes missing"),
        (Response(None), "the connection broke: Empty reply from server"),
        (Response(200, b"this is no gzip", {"Content-Encoding": "gzip"}), "the answer's gzip was damaged"),
    ],
)
async def test_an_invalid_answer_is_a_failure(answer: Response, failure: str) -> None:
    with serving(lambda request: answer) as url:
        reply = await get(HttpClient(url))
    assert (reply.status, reply.body) == (None, b"")
    assert reply.failure.startswith(failure)


async def test_a_server_that_says_nothing_is_waited_for_so_long() -> None:
    silent = threading.Event()

    def hold(request: Request) -> Response:
        silent.wait(30)
        return Response(None)

    with serving(hold) as url:
        reply = await get(HttpClient(url, timeout_s=0.05))
        silent.set()
    assert (reply.status, reply.failure) == (None, "no answer within 0.05 s")


@pytest.mark.skipif(sys.platform != "linux", reason="how a full backlog answers")
async def test_a_connection_is_waited_for_less_long_than_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curl, "_CONNECT_S", 0.1)
    with contextlib.ExitStack() as sockets:
        full, *waiting = (sockets.enter_context(socket.socket()) for _ in range(5))
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for other in waiting:
            other.settimeout(0)
            other.connect_ex(full.getsockname())
        reply = await get(HttpClient("http://{}:{}".format(*full.getsockname())))
    assert (reply.status, reply.failure) == (None, "could not connect within 0.1 s")


async def test_where_nobody_listens_the_reason_is_reported() -> None:
    reply = await get(HttpClient(f"http://127.0.0.1:{free_port()}"))
    assert (reply.status, reply.failure) == (None, "could not connect: Connection refused")


async def test_on_a_kept_connection_that_is_closed_a_request_is_sent_once_more() -> None:
    answers = [Response(204), Response(None), Response(200), Response(None), Response(None)]
    with serving(lambda request: answers.pop(0)) as url:
        client = HttpClient(url)
        replies = [await client.post("/x", b"body", params={}, headers={}) for _ in range(3)]
        await client.close()
    assert ([reply.status for reply in replies], answers) == ([204, 200, None], [])


async def test_after_its_end_it_opens_anew() -> None:
    with serving(lambda request: Response(204)) as url:
        client = HttpClient(url)
        assert (await get(client)).status == (await get(client)).status == 204


@pytest.mark.parametrize(
    ("url", "failure"),
    [
        ("http://no.such.host.invalid", "could not connect: its name was not found"),
        ("ftp://127.0.0.1", 'the connection broke: Protocol "ftp" is disabled'),
        ("http://[::1", "the connection broke: URL rejected: Bad IPv6 address"),
    ],
)
async def test_an_invalid_address_is_a_failure(url: str, failure: str) -> None:
    assert (await get(HttpClient(url))).failure == failure


@pytest.mark.parametrize("value", ["a\r\nX-More: b", "a\nb", "é", "a\0b"])
async def test_a_header_says_one_thing_or_nothing_is_sent(value: str) -> None:
    with serving(lambda request: Response(200)) as url:
        reply = await HttpClient(url).get("/x", params={}, headers={"X-Of": value})
    assert (reply.status, reply.failure) == (None, "the address or a header has characters that cannot be sent")


async def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with serving(lambda request: Response(204)) as url:
        assert (await get(HttpClient(url))).status == 204


async def test_a_large_body_waits_for_no_leave() -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        seen.append(request)
        return Response(204)

    with serving(answer) as url:
        client = HttpClient(url)
        await client.post("/write", bytes(3 << 20), params={}, headers={"Content-Type": "text/plain"})
        await client.close()
    assert (len(seen[0].body), seen[0].headers["content-type"]) == (3 << 20, "text/plain")
    assert "expect" not in seen[0].headers


async def test_informational_answers_are_skipped() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n")
        writer.write(b"HTTP/1.1 429 No\r\nX-At: 15:30\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        reply = await get(HttpClient("http://{}:{}".format(*server.sockets[0].getsockname())))
    assert (reply.status, reply.body, reply.headers["x-at"]) == (429, b"no", "15:30")
    assert "Retry-After" not in reply.headers


async def test_no_more_connections_than_were_allowed() -> None:
    lock, under_way, most = threading.Lock(), 0, 0

    def answer(request: Request) -> Response:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        threading.Event().wait(0.02)
        with lock:
            under_way -= 1
        return Response(200)

    with serving(answer) as url:
        client = HttpClient(url, connections=2)
        replies = await asyncio.gather(*(client.get("/x", params={}, headers={}) for _ in range(6)))
        await client.close()
    assert ({reply.status for reply in replies}, most) == ({200}, 2)


async def test_closing_fails_running_requests() -> None:
    asked, released = threading.Semaphore(0), threading.Event()

    def hold(request: Request) -> Response:
        asked.release()
        released.wait(30)
        return Response(200)

    with serving(hold) as url:
        client = HttpClient(url)
        closed = asyncio.create_task(client.get("/x", params={}, headers={}))
        await asyncio.to_thread(asked.acquire)
        await client.close()
        assert (await closed).failure == "the connection was closed here"
        cut = asyncio.create_task(client.get("/x", params={}, headers={}))
        await asyncio.to_thread(asked.acquire)
        cut.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cut
        released.set()
        assert (await get(client)).status == 200


class TestEncrypted:
    """Whom Python believes is believed here."""

    @pytest.fixture
    def authority(self, tmp_path: Path) -> Authority:
        return Authority(tmp_path)

    @pytest.fixture(autouse=True)
    def _forgotten(self) -> Iterator[None]:
        find_authorities.cache_clear()
        yield
        find_authorities.cache_clear()

    async def ask(self, authority: Authority, *, host: str = "127.0.0.1") -> Reply:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*authority.issue("server"))
        with serving(lambda request: Response(200, b"secret"), tls=tls) as url:
            return await get(HttpClient(url.replace("127.0.0.1", host)))

    async def test_a_certificate_of_a_known_authority_is_trusted(
        self, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
        assert (await self.ask(authority)).body == b"secret"

    async def test_one_of_a_stranger_is_refused(self, authority: Authority) -> None:
        reply = await self.ask(authority)
        assert reply.failure.startswith("the certificate was refused: unable to get local issuer certificate")

    async def test_one_of_another_server_is_refused(
        self, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
        assert (await self.ask(authority, host="localhost")).failure.startswith("the certificate was refused: ")

    def test_without_authorities_of_the_system_those_of_mozilla_are_taken(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "nothing"))
        (place,) = find_authorities().values()
        assert Path(place).read_text().count("BEGIN CERTIFICATE") > 50

    async def test_nothing_is_sent_to_a_server_without_tls(self) -> None:
        with serving(lambda request: Response(200)) as url:
            reply = await get(HttpClient(url.replace("http:", "https:")))
        assert reply.failure == "TLS could not be agreed on"
