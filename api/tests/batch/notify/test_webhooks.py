"""A webhook goes out signed, once, straight to its receiver, and says in plain words what became of it."""

import asyncio
import base64
import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import WebhookVerificationError

from batch.errors import ConfigurationError
from batch.kit.http.poster import HttpPoster
from batch.notify.callback import CallbackRules
from batch.notify.signing import make_webhook_secret, parse_secrets
from batch.notify.webhooks import Webhook, WebhookSender
from tests.fixtures.servers.certificate import HOST, client_context, server_context
from tests.fixtures.servers.receivers import SECRET, TRUSTING, receiving

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
async def test_a_secret_that_is_none_is_refused_and_not_shown(text: str) -> None:
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


async def test_a_receiver_that_is_away_is_told_in_words_without_the_url() -> None:
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
    assert answer.failure.startswith("the connection broke: ")


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver, receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url.split("/hook")[0])
        monkeypatch.delenv("no_proxy", raising=False)
        assert os.environ["http_proxy"]
        answer = await WebhookSender(TRUSTING).send(Webhook("msg_7", receiver.url, BODY))
        assert (answer.status, len(receiver.seen), len(proxy.seen)) == (200, 1, 0)


class TestTls:
    async def test_the_certificate_is_checked_against_the_name_not_the_address(self, tmp_path: Path) -> None:
        with receiving(server_context(tmp_path)) as receiver:
            url = receiver.url.replace("127.0.0.1", HOST)
            poster = HttpPoster(lookup=to_loopback, tls=client_context())
            answer = await poster.post(url, b"{}", headers={}, judge=accept_any)
            assert (answer.status, receiver.names) == (200, [HOST])

    async def test_another_name_is_refused(self, tmp_path: Path) -> None:
        with receiving(server_context(tmp_path)) as receiver:
            url = receiver.url.replace("127.0.0.1", "other.example.com")
            poster = HttpPoster(lookup=to_loopback, tls=client_context())
            answer = await poster.post(url, b"{}", headers={}, judge=accept_any)
            assert answer.failure.startswith("the certificate was refused: Hostname mismatch")
            assert receiver.seen == []

    async def test_a_certificate_of_nobody_is_refused(self, tmp_path: Path) -> None:
        with receiving(server_context(tmp_path)) as receiver:
            url = receiver.url.replace("127.0.0.1", HOST)
            answer = await HttpPoster(lookup=to_loopback).post(url, b"{}", headers={}, judge=accept_any)
            assert answer.failure.startswith("the certificate was refused: self")
            assert receiver.seen == []
