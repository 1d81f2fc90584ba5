"""A webhook goes out signed, once, straight to its receiver, and says in plain words what became of it."""

import asyncio
import base64
import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from standardwebhooks import WebhookVerificationError

from kaboom.drivers.http.curl import find_authorities
from kaboom.drivers.http.destination import Destination
from kaboom.drivers.http.poster import HttpPoster
from kaboom.drivers.http.reply import Reply
from kaboom.errors import ConfigurationError
from kaboom.jobs.callbacks.url_guard import CallbackRules, UrlGuard, make_webhook_secret, parse_secrets
from kaboom.jobs.callbacks.webhooks import Webhook, WebhookSender
from tests.fixtures.servers.certificate import CERTIFICATE, HOST, server_context
from tests.fixtures.servers.receivers import SECRET, TRUSTING, Receiver, receiving

pytestmark = pytest.mark.anyio
BODY = '{"type":"ingest.job.completed","data":{"市場":"TSE_PRIME"}}'


async def to_loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def accept_any(address: str) -> None:
    """Accept any address."""


async def test_it_arrives_signed_and_to_the_byte() -> None:
    with receiving() as receiver:
        answer = await WebhookSender(TRUSTING).send(Webhook("msg_7", receiver.url, BODY))
        (seen,) = receiver.seen
    assert (answer.status, answer.failure) == (200, "")
    assert seen.verify()["data"] == {"市場": "TSE_PRIME"}
    assert seen.body.decode() == BODY
    assert seen.path == "/hook?signature=s3cret"
    headers = {name.lower(): value for name, value in seen.headers.items()}
    assert (headers["webhook-id"], headers["content-type"]) == ("msg_7", "application/json")


async def test_a_changed_body_or_another_secret_is_noticed() -> None:
    with receiving() as receiver:
        await WebhookSender(TRUSTING).send(Webhook("msg_7", receiver.url, BODY))
        (seen,) = receiver.seen
    with pytest.raises(WebhookVerificationError):
        seen.verify(make_webhook_secret())
    with pytest.raises(WebhookVerificationError):
        type(seen)(seen.path, seen.headers, seen.body + b" ").verify()


async def test_each_of_several_secrets_opens_it() -> None:
    old, new = make_webhook_secret(), make_webhook_secret()
    rules = CallbackRules(TRUSTING.guard, parse_secrets(f"{new}  {old}\n"))
    with receiving() as receiver:
        await WebhookSender(rules).send(Webhook("msg_7", receiver.url, BODY))
        (seen,) = receiver.seen
    assert seen.verify(old) == seen.verify(new)
    with pytest.raises(WebhookVerificationError):
        seen.verify(SECRET)


async def test_the_time_of_the_attempt_is_signed() -> None:
    def an_hour_ago() -> datetime:
        return datetime.now(UTC) - timedelta(hours=1)

    with receiving() as receiver:
        await WebhookSender(TRUSTING, clock=an_hour_ago).send(Webhook("msg_7", receiver.url, BODY))
        (seen,) = receiver.seen
    with pytest.raises(WebhookVerificationError, match="too old"):
        seen.verify()


@pytest.mark.parametrize(
    "text",
    ["hush", "whsec_", "whsec_hush", "whsec_hu!sh", base64.b64encode(bytes(32)).decode(), f"{SECRET} whsec_aHVzaA=="],
)
async def test_an_invalid_secret_is_rejected_and_not_shown(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_secrets(text)
    place = len(text.split())
    assert caught.value.message == (
        f"KABOOM_WEBHOOK_SECRET: secret {place} was not whsec_ and the base64 of 24 to 64 bytes,"
        " as Standard Webhooks asks"
    )


async def test_secrets_and_urls_are_not_in_reprs() -> None:
    webhook = Webhook("msg_7", "https://h.example/?signature=s3cret", BODY)
    assert "s3cret" not in repr(webhook)
    assert SECRET.removeprefix("whsec_") not in repr(WebhookSender(TRUSTING))


async def test_a_receiver_that_does_not_answer_is_given_up() -> None:
    with receiving() as receiver:
        receiver.open.clear()
        sender = WebhookSender(TRUSTING, HttpPoster(timeout_s=0.3))
        answer = await sender.send(Webhook("msg_7", receiver.url, BODY))
    assert (answer.status, answer.failure) == (None, "no answer within 0.3 s")


async def test_an_unreachable_receiver_is_reported_without_the_url() -> None:
    answer = await WebhookSender(TRUSTING).send(Webhook("msg_7", "http://127.0.0.1:1/?signature=s3cret", BODY))
    assert answer.status is None
    assert answer.failure.startswith("could not connect: ")
    assert "s3cret" not in answer.failure


async def test_an_endless_answer_is_not_read() -> None:
    with receiving() as receiver:
        # Never sent: whoever waited for it would run into the time limit.
        receiver.script((200, {"Content-Length": str(10**12)}))
        answer = await WebhookSender(TRUSTING).send(Webhook("msg_7", receiver.url, BODY))
    assert answer.status == 200


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"no HTTP at all\r\n\r\n",
        b"HTTP/1.1 200",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    ],
    ids=["nothing", "nonsense", "half", "status", "long", "many", "length"],
)
async def test_whatever_a_receiver_says_is_an_answer_in_words(said: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with suppress(ConnectionError):
            writer.write(said)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        answer = await WebhookSender(TRUSTING).send(Webhook("msg_7", f"http://127.0.0.1:{port}/", BODY))
    assert answer.status is None
    assert answer.failure.startswith("the connection broke")


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver, receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url.split("/hook")[0])
        monkeypatch.delenv("no_proxy", raising=False)
        assert os.environ["http_proxy"]
        answer = await WebhookSender(TRUSTING).send(Webhook("msg_7", receiver.url, BODY))
        assert (answer.status, len(receiver.seen), len(proxy.seen)) == (200, 1, 0)


async def test_the_first_address_that_answers_is_used() -> None:
    async def both(host: str, port: int) -> list[str]:
        return ["::1", "127.0.0.1"]

    with receiving() as receiver:
        port = int(receiver.url.split(":")[2].split("/")[0])
        reply = await HttpPoster(both).post(Destination("http", HOST, port), b"{}", headers={}, check=accept_any)
        assert (reply.status, receiver.seen[0].headers["Host"]) == (200, f"{HOST}:{port}")


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2, and how a full backlog answers")
async def test_an_address_that_does_not_answer_does_not_hold_up_the_next() -> None:
    async def both(host: str, port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    with receiving() as receiver, contextlib.ExitStack() as sockets:
        port = int(receiver.url.split(":")[2].split("/")[0])
        full, *waiting = (sockets.enter_context(socket.socket()) for _ in range(5))
        full.bind(("127.0.0.2", port))
        full.listen(0)
        for other in waiting:
            other.settimeout(0)
            other.connect_ex(full.getsockname())
        reply = await HttpPoster(both).post(Destination("http", HOST, port), b"{}", headers={}, check=accept_any)
        assert (reply.status, reply.failure) == (200, "")


async def test_the_path_is_sent_to_the_letter() -> None:
    path = "/a/../b/./%2f%2F%7e;p=1//?signature=%2b+%2B&x='(!)*,/?"
    with receiving() as receiver:
        url = receiver.url.partition("/hook")[0] + path
        await WebhookSender(TRUSTING).send(Webhook("msg_7", url, BODY))
        (seen,) = receiver.seen
    assert seen.path == path


async def test_only_the_headers_of_a_webhook_are_sent() -> None:
    with receiving() as receiver:
        await WebhookSender(TRUSTING).send(Webhook("msg_7", receiver.url, BODY))
        (seen,) = receiver.seen
    assert {name.lower() for name in seen.headers} == {
        *("host", "accept", "content-length", "content-type", "user-agent"),
        *("webhook-id", "webhook-timestamp", "webhook-signature"),
    }
    assert seen.headers["User-Agent"] == "Kaboom-Webhooks"


def open_files() -> int:
    return psutil.Process().num_fds()


async def test_many_at_once_leave_nothing_open() -> None:
    before = open_files()
    with receiving() as receiver:
        sender = WebhookSender(TRUSTING)
        sent = await asyncio.gather(*(sender.send(Webhook(f"msg_{n}", receiver.url, BODY)) for n in range(40)))
        assert {reply.status for reply in sent} == {200}
        assert len({seen.headers["webhook-id"] for seen in receiver.seen}) == 40
    assert open_files() <= before


async def test_a_name_server_that_does_not_answer_is_given_up() -> None:
    async def hang(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    rules = CallbackRules(UrlGuard(), TRUSTING.signers)
    answer = await WebhookSender(rules, HttpPoster(hang, timeout_s=0.1)).send(Webhook("m", f"https://{HOST}/", BODY))
    assert answer.failure == "no answer within 0.1 s"


async def test_a_cancelled_delivery_closes_its_connection() -> None:
    closed = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        sending.cancel()
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        closed.set()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        sending = asyncio.create_task(WebhookSender(TRUSTING).send(Webhook("msg_7", url, BODY)))
        with pytest.raises(asyncio.CancelledError):
            await sending
        async with asyncio.timeout(10):
            await closed.wait()


class TestTls:
    @pytest.fixture(autouse=True)
    def _forgotten(self) -> Iterator[None]:
        find_authorities.cache_clear()
        yield
        find_authorities.cache_clear()

    @pytest.fixture
    def _known(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have the certificate of the receiver believed."""
        place = tmp_path / "authorities.pem"
        place.write_text(CERTIFICATE)
        monkeypatch.setenv("SSL_CERT_FILE", str(place))

    async def post(self, receiver: Receiver, host: str) -> Reply:
        port = int(receiver.url.split(":")[2].split("/")[0])
        to = Destination("https", host, port)
        return await HttpPoster(lookup=to_loopback).post(to, b"{}", headers={}, check=accept_any)

    @pytest.mark.usefixtures("_known")
    async def test_the_certificate_is_checked_against_the_name_not_the_address(self, tmp_path: Path) -> None:
        with receiving(server_context(tmp_path)) as receiver:
            reply = await self.post(receiver, HOST)
            assert (reply.status, reply.failure, receiver.names) == (200, "", [HOST])

    @pytest.mark.usefixtures("_known")
    @pytest.mark.parametrize("host", ["other.example.com", "127.0.0.1", "x.hooks.example.com"])
    async def test_another_name_is_refused(self, tmp_path: Path, host: str) -> None:
        with receiving(server_context(tmp_path)) as receiver:
            reply = await self.post(receiver, host)
            assert reply.failure.startswith("the certificate was refused: no alternative certificate subject name")
            assert receiver.seen == []

    async def test_a_certificate_of_nobody_is_refused(self, tmp_path: Path) -> None:
        with receiving(server_context(tmp_path)) as receiver:
            reply = await self.post(receiver, HOST)
            assert reply.failure.startswith("the certificate was refused: self")
            assert receiver.seen == []
