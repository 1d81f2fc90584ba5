"""A URL of a caller never makes Kaboom connect to what only Kaboom can reach: 109 forms against a loopback canary."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pycurl
import pytest

from kaboom.drivers.http import poster as module
from kaboom.drivers.http.destination import Destination
from kaboom.drivers.http.poster import HttpPoster
from kaboom.errors import ConfigurationError, InvalidRequest
from kaboom.jobs.callbacks.url_guard import CallbackRules, UrlGuard, check_address, parse_secrets, parse_trusted
from kaboom.jobs.callbacks.webhooks import Webhook, WebhookSender
from tests.fixtures.servers.receivers import SECRET, Canary, canary, receiving

PUBLIC = "93.184.216.34"
#: What the name server of the attacker says, the last answer again and again.
NAMES = {
    "localhost": [["127.0.0.1", "::1"]],
    "localtest.example": [["127.0.0.1"]],
    "localtest6.example": [["::1"]],
    "mixed.example": [[PUBLIC, "127.0.0.1"]],
    "mapped.example": [["::ffff:127.0.0.1"]],
    "nat64.example": [["64:ff9b::7f00:1"]],
    "zone.example": [["fe80::1%eth0"]],
    "internal.example": [["10.0.0.5"]],
    "metadata.example": [["169.254.169.254"]],
    "rebind.example": [[PUBLIC], ["127.0.0.1"]],
    "rebind6.example": [[PUBLIC], ["::1"]],
    "127.0.0.1.nip.example": [["127.0.0.1"]],
    "xn--lcalhost-54a.example": [["127.0.0.1"]],
}
#: Each with the canary's port in place of {p}, or with a port that no stranger may name.
FORMS = [
    # The plain ones.
    "https://127.0.0.1:{p}/", "https://localhost:{p}/", "https://LOCALHOST:{p}/", "https://[::1]:{p}/",
    "http://127.0.0.1:{p}/", "http://localhost:{p}/", "https://0.0.0.0:{p}/", "https://0:{p}/", "https://[::]:{p}/",
    # IPv4 in other dress: short, decimal, octal, hex, mixed, overflowing, padded.
    "https://127.1:{p}/", "https://127.0.1:{p}/", "https://2130706433:{p}/", "https://017700000001:{p}/",
    "https://0177.0.0.1:{p}/", "https://0177.0.0.01:{p}/", "https://0x7f000001:{p}/", "https://0x7f.0.0.1:{p}/",
    "https://0x7f.1:{p}/", "https://0X7F.0x0.0x0.0x1:{p}/", "https://127.0x0.00.1:{p}/", "https://4425673729:{p}/",
    "https://127.000.000.001:{p}/", "https://127.0.0.1.:{p}/", "https://localhost.:{p}/",
    "https://127.0.0.1.nip.example:{p}/",
    # IPv6 that is, or carries, a loopback address.
    "https://[0:0:0:0:0:0:0:1]:{p}/", "https://[0000:0000:0000:0000:0000:0000:0000:0001]:{p}/",
    "https://[::0001]:{p}/", "https://[::ffff:127.0.0.1]:{p}/", "https://[::ffff:7f00:1]:{p}/",
    "https://[0:0:0:0:0:ffff:127.0.0.1]:{p}/", "https://[::127.0.0.1]:{p}/", "https://[::7f00:1]:{p}/",
    "https://[::ffff:0:127.0.0.1]:{p}/", "https://[::ffff:0:7f00:1]:{p}/", "https://[64:ff9b::127.0.0.1]:{p}/",
    "https://[64:ff9b::7f00:1]:{p}/", "https://[64:ff9b:1::7f00:1]:{p}/", "https://[64:ff9b:1:ffff::7f00:1]:{p}/",
    "https://[2002:7f00:1::]:{p}/", "https://[2002:7f00:0001::1]:{p}/", "https://[2001:0:7f00:1::]:{p}/",
    "https://[2001::80ff:fffe]:{p}/", "https://[fe80::1]:{p}/", "https://[fe80::1%25lo]:{p}/",
    "https://[::1%25lo]:{p}/", "https://[::1%lo]:{p}/", "https://[fd00:ec2::254]:{p}/", "https://[ff02::1]:{p}/",
    "https://[2001:db8::1]:{p}/", "https://[100::1]:{p}/",
    # Other networks that are nobody's business.
    "https://10.0.0.1:{p}/", "https://172.16.0.1:{p}/", "https://192.168.0.1:{p}/", "https://169.254.169.254:{p}/",
    "https://100.64.0.1:{p}/", "https://100.100.100.200:{p}/", "https://168.63.129.16:{p}/",
    "https://192.0.0.192:{p}/", "https://198.18.0.1:{p}/", "https://224.0.0.1:{p}/", "https://255.255.255.255:{p}/",
    # What one parser takes for a user, a path or a query, and another for the host.
    "https://hooks.example.com@127.0.0.1:{p}/", "https://user:pass@127.0.0.1:{p}/", "https://@127.0.0.1:{p}/",
    "https://127.0.0.1:{p}\\@hooks.example.com/", "https://hooks.example.com\\@127.0.0.1:{p}/",
    "https://127.0.0.1:{p}#@hooks.example.com/", "https://hooks.example.com#@127.0.0.1:{p}/",
    "https:\\\\127.0.0.1:{p}/", "https:/127.0.0.1:{p}/", "https:127.0.0.1:{p}/", "//127.0.0.1:{p}/",
    "https:///127.0.0.1:{p}/", "https://127.0.0.1\t:{p}/", "https://127.0.0.1:{p}\n/", "ht\ntps://127.0.0.1:{p}/",
    " https://127.0.0.1:{p}/", "https://127.0.0.1:{p}/\r\nHost: x", "https://127.0.0.1 :{p}/", "https://127.0.0.1\0:{p}/",
    "https://%31%32%37.0.0.1:{p}/", "https://127%2e0%2e0%2e1:{p}/", "https://127.0.0.1%00.example.com:{p}/",
    # Letters that some clients fold to ASCII.
    "https://\uff11\uff12\uff17.\uff10.\uff10.\uff11:{p}/", "https://127\u30020\u30020\u30021:{p}/",
    "https://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3:{p}/", "https://l\u00b2\u2460.example:{p}/",
    "https://\u0661\u0662\u0667.0.0.1:{p}/", "https://xn--lcalhost-54a.example:{p}/",
    # Names that lead inside, at once or the second time.
    "https://localtest.example:{p}/", "https://localtest6.example:{p}/", "https://mixed.example:{p}/",
    "https://mapped.example:{p}/", "https://nat64.example:{p}/", "https://zone.example:{p}/",
    "https://internal.example:{p}/", "https://metadata.example:{p}/", "https://rebind.example:{p}/",
    "https://rebind6.example:{p}/",
    # Other schemes and ports.
    "ftp://127.0.0.1:{p}/", "file:///etc/passwd", "gopher://127.0.0.1:{p}/_x", "https://127.0.0.1:0/",
    "https://127.0.0.1:65536/", "https://127.0.0.1:{p}0/", "https://127.0.0.1:+{p}/", "https://127.0.0.1:/", "",
]  # fmt: skip


class Attacker:
    """A name server that says what `NAMES` says, step by step."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def look_up(self, host: str, port: int) -> list[str]:
        del port
        self.asked.append(host)
        answers = NAMES.get(host.lower().rstrip("."))
        if answers is None:
            raise OSError("no such name")
        return answers[min(self.asked.count(host), len(answers)) - 1]


@pytest.fixture
def bird() -> Iterator[Canary]:
    with canary() as listening:
        yield listening


def rules_for(bird: Canary) -> CallbackRules:
    # As if the canary sat on 443: or the port alone would refuse what the address must.
    return CallbackRules(UrlGuard(ports=frozenset({bird.port})), parse_secrets(SECRET))


@pytest.mark.anyio
@pytest.mark.parametrize("form", FORMS)
async def test_no_form_reaches_the_canary(form: str, bird: Canary) -> None:
    url, attacker = form.replace("{p}", str(bird.port)), Attacker()
    rules = rules_for(bird)
    with suppress(InvalidRequest):
        await rules.check(url, lookup=attacker.look_up)
        assert "rebind" in url, "only a name that looked innocent may pass the first look"
    # Whatever the first look said, it is sent: a second look must refuse it.
    sender = WebhookSender(rules, HttpPoster(lookup=attacker.look_up, timeout_s=5.0))
    answer = await sender.send(Webhook("msg_1", url, "{}"))
    assert answer.status is None
    assert answer.failure
    assert bird.take_hits() == 0


def stay_at_home(address: str) -> None:
    """Accept what is on this machine: a test calls nobody else."""
    found = ipaddress.ip_address(address)
    if not (getattr(found, "ipv4_mapped", None) or found).is_loopback and address != "0.0.0.0":
        raise InvalidRequest("elsewhere")


async def post_without_guard(url: str, bird: Canary) -> bool:
    """Give libcurl the text of a URL, connect to what it asks for on this machine, and return whether that was hit."""

    def connect(_purpose: int, place: Any) -> int:
        with suppress(OSError, InvalidRequest):
            address = str(place.addr[0])
            stay_at_home(address)
            socket.create_connection((address, place.addr[1]), timeout=5).close()
        return pycurl.SOCKET_BAD

    curl = pycurl.Curl()
    with suppress(pycurl.error, ValueError):
        curl.setopt(pycurl.URL, url.encode())
        curl.setopt(pycurl.PROXY, "")
        found = [(name, answers[-1]) for name, answers in NAMES.items() if name in url]
        curl.setopt(
            pycurl.RESOLVE, [f"{name}:{bird.port}:{a}" for name, places in found for a in places if "%" not in a]
        )
        curl.setopt(pycurl.OPENSOCKETFUNCTION, connect)
        await asyncio.to_thread(curl.perform)
    return bool(bird.take_hits())


def connect_as_c_does(url: str, bird: Canary) -> bool:
    """Connect as a client does that leaves the host to the C library, which reads short, octal and hex addresses."""
    with suppress(OSError, ValueError, InvalidRequest):
        place = urlsplit(url)
        found = socket.getaddrinfo(place.hostname, place.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        address = str(found[0][4][0])
        stay_at_home(address)
        socket.create_connection((address, place.port or 0), timeout=5).close()
    return bool(bird.take_hits())


@pytest.mark.anyio
async def test_without_the_guard_the_canary_is_hit(bird: Canary) -> None:
    hit = set()
    for form in FORMS:
        url = form.replace("{p}", str(bird.port))
        if await post_without_guard(url, bird) or connect_as_c_does(url, bird):
            hit.add(form)
    assert {
        "https://127.0.0.1:{p}/", "https://127.1:{p}/", "https://2130706433:{p}/", "https://0x7f.1:{p}/",
        "https://[::ffff:7f00:1]:{p}/", "https://hooks.example.com@127.0.0.1:{p}/", "https://rebind.example:{p}/",
        "https://rebind6.example:{p}/", "https://localtest.example:{p}/", "https://0.0.0.0:{p}/",
    } <= hit  # fmt: skip
    assert len(hit) >= 35


@pytest.mark.anyio
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_the_canary_is_not_followed(status: int, bird: Canary) -> None:
    with receiving() as receiver:
        receiver.script((status, {"Location": f"http://127.0.0.1:{bird.port}/"}))
        trusted = frozenset({receiver.url.split("/")[2]})
        rules = CallbackRules(UrlGuard(trusted=trusted, ports=frozenset({bird.port})), parse_secrets(SECRET))
        answer = await WebhookSender(rules).send(Webhook("msg_1", receiver.url, "{}"))
    assert answer.status == status
    assert bird.take_hits() == 0


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_an_address_in_place_of_a_name_is_checked(bird: Canary, host: str) -> None:
    # No form is checked here.
    reply = await HttpPoster().post(Destination("http", host, bird.port), b"", headers={}, check=check_address)
    assert "did not lead to a public address" in reply.failure
    assert bird.take_hits() == 0


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["localhost", "127.1", "0x7f.1", "2130706433", "127.0.0.1.", "localhost."])
async def test_the_socket_is_guarded_where_libcurl_reads_another_host(
    bird: Canary, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look_up(host: str, port: int) -> list[str]:
        return [PUBLIC]

    # As if libcurl did not know the checked addresses by this name, and asked for them by itself.
    monkeypatch.setattr(module, "_pin", lambda _destination, _addresses: [])
    poster = HttpPoster(look_up)
    reply = await poster.post(Destination("http", host, bird.port), b"", headers={}, check=check_address)
    assert reply.failure.startswith("could not connect: ")
    assert bird.take_hits() == 0


@pytest.mark.anyio
async def test_a_name_is_asked_once_for_each_sending(bird: Canary) -> None:
    attacker = Attacker()
    sender = WebhookSender(rules_for(bird), HttpPoster(lookup=attacker.look_up))
    await sender.send(Webhook("msg_1", f"https://localtest.example:{bird.port}/", "{}"))
    assert attacker.asked == ["localtest.example"]


def is_public(address: str) -> bool:
    try:
        check_address(address)
    except InvalidRequest:
        return False
    return True


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2606:2800:220:1::1", "2001:4860:4860::8888"])
def test_public_addresses_pass(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("before", "first", "last", "after"),
    [
        ("9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"),
        ("100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"),
        ("126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"),
        ("169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"),
        ("172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"),
        ("192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"),
    ],
)
def test_a_private_range_ends_where_the_next_public_address_begins(
    before: str, first: str, last: str, after: str
) -> None:
    assert [is_public(each) for each in (before, first, last, after)] == [True, False, False, True]


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/kaboom",
        "https://hooks.example.com:8443/a/b?c=d&signature=%2Bx%3D",
        "HTTPS://Hooks.Example.COM",
        "https://my_host.example.com?x=1",
        "https://xn--eckwd4c7c.example/",
        f"https://{PUBLIC}/",
        "https://[2606:2800:220:1::1]:8443/",
        "https://a@b.example/".replace("a@", ""),
        "https://example.com/@user",
    ],
)
def test_ordinary_urls_pass(url: str) -> None:
    assert not UrlGuard().check(url).is_trusted


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.example.com/", "was http, expected https"),
        ("https://hooks.example.com:8080/", "port 8080, expected 443, 8443"),
        ("https://hooks.example.com:22/", "port 22"),
        ("https://127.0.0.1/", "did not lead to a public address"),
        ("https://-x.example/", "host '-x.example', expected names"),
        ("https://a..example/", "host 'a..example', expected names"),
        ("https://127.1/", "host '127.1', expected a name"),
        ("https://h.example/" + "x" * 2048, "at most 2048"),
    ],
)
def test_a_refusal_says_why_and_shows_no_more_than_the_host(url: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why) as caught:
        UrlGuard().check(url + "?signature=s3cret")
    assert caught.value.pointer == "/callback_url"
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "is_trusted"),
    [
        ("http://n8n:5678/webhook-waiting/7?signature=x", True),
        ("http://N8N:5678/", True),
        ("https://127.0.0.1/", True),
        ("http://127.0.0.1:1234/", True),
        ("http://[::1]:5678/", True),
        ("http://n8n/", False),
        ("http://n8n:5679/", False),
        ("http://[::1]:5679/", False),
        ("http://n8n:5678@127.0.0.2/", False),
        ("http://127.0.0.1.example/", False),
    ],
)
def test_only_what_the_operator_names_is_trusted(url: str, *, is_trusted: bool) -> None:
    guard = UrlGuard(trusted=parse_trusted("N8N:5678 127.0.0.1 [::1]:5678"))
    if is_trusted:
        assert guard.check(url).is_trusted
    else:
        with pytest.raises(InvalidRequest):
            guard.check(url)


@pytest.mark.parametrize("text", ["http://n8n:5678", "n8n:port", "n8n/path", "*"])
def test_a_trusted_host_is_a_host(text: str) -> None:
    with pytest.raises(ConfigurationError, match="expected host or host:port"):
        parse_trusted(f"ok.example {text}")


@pytest.mark.anyio
async def test_a_name_without_an_address_passes_the_first_look_alone() -> None:
    rules, attacker = CallbackRules(signers=parse_secrets(SECRET)), Attacker()
    await rules.check("https://later.example/", lookup=attacker.look_up)
    answer = await WebhookSender(rules, HttpPoster(lookup=attacker.look_up)).send(
        Webhook("msg_1", "https://later.example/", "{}")
    )
    assert answer.status is None


@pytest.mark.anyio
async def test_without_a_secret_no_callback_is_accepted() -> None:
    with pytest.raises(InvalidRequest, match="KABOOM_WEBHOOK_SECRET"):
        await CallbackRules().check("https://hooks.example.com/")


@pytest.mark.anyio
@pytest.mark.parametrize("address", ["10.11.12.13", "fd00::7", "169.254.169.254"])
async def test_neither_refusal_nor_failure_tells_what_a_name_resolves_to(address: str) -> None:
    async def look_up(host: str, port: int) -> list[str]:
        return [address]

    rules = CallbackRules(signers=parse_secrets(SECRET))
    with pytest.raises(InvalidRequest, match="did not lead to a public address") as refused:
        await rules.check("https://db.internal.example/", lookup=look_up)
    sent = await WebhookSender(rules, HttpPoster(lookup=look_up)).send(
        Webhook("msg_1", "https://db.internal.example/", "{}")
    )
    assert "did not lead to a public address" in sent.failure
    for text in (refused.value.message, sent.failure):
        assert address not in text
