"""An address without a token may call only so often; probes and callers with the token are not limited by it."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.accounts.model import BrowserSession, Token
from kaboom.accounts.store import MemoryAccountStore
from kaboom.telemetry.logs import tap_lines
from kaboom.web.auth.cookies import make_session_value
from kaboom.web.auth.scopes import Scope
from kaboom.web.auth.tokens import make_api_token
from kaboom.web.rate_limit import AddressLimiter, Allowance, Rate, network_of, parse_rate
from tests.fixtures.accounts.callers import accounts_of_app, add_token
from tests.fixtures.jobs.apps import JOBS, TOKEN, client_of, memory_settings, running

DOCUMENT = "/openapi.json"


def forwarded(*lines: str) -> list[tuple[bytes, bytes]]:
    return [(b"x-forwarded-for", line.encode()) for line in lines]


@pytest.mark.parametrize(
    ("hops", "lines", "address"),
    [
        (0, ["203.0.113.7"], "10.0.0.1"),
        (1, ["203.0.113.7"], "203.0.113.7"),
        (1, ["198.51.100.9, 203.0.113.7"], "203.0.113.7"),
        (1, ["198.51.100.9", "203.0.113.7"], "203.0.113.7"),
        (2, ["198.51.100.9, 203.0.113.7, 192.0.2.1"], "203.0.113.7"),
        (1, ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        (1, ["::ffff:203.0.113.7"], "203.0.113.7"),
        # Fewer than the proxies would have written, or no address: none of them wrote it.
        (2, ["203.0.113.7"], "10.0.0.1"),
        (1, ["unknown"], "10.0.0.1"),
        (1, [""], "10.0.0.1"),
        (1, [], "10.0.0.1"),
    ],
)
def test_only_trusted_proxies_set_the_address(hops: int, lines: list[str], address: str) -> None:
    client = AddressLimiter("off", hops=hops).find_client("10.0.0.1", forwarded(*lines))
    assert network_of(client) == address


@pytest.mark.anyio
@pytest.mark.parametrize(("hops", "events"), [(0, ["forwarded_address_ignored"]), (1, [])])
async def test_an_ignored_forwarded_address_is_logged_once(tmp_path: Path, hops: int, events: list[str]) -> None:
    lines: list[dict[str, Any]] = []
    async with running(memory_settings(tmp_path, proxy_hops=hops)) as app, client_of(app) as http:
        end = tap_lines(lambda line: lines.append(dict(line)) if "setting" in line else None)
        await http.get(JOBS)
        assert lines == []
        for _ in range(3):
            await http.get(JOBS, headers={"x-forwarded-for": "203.0.113.7"})
        end()
    assert [line["event"] for line in lines] == events
    assert {line["setting"] for line in lines} <= {"KABOOM_PROXY_HOPS"}


def test_each_address_has_a_window_of_its_own() -> None:
    limiter = AddressLimiter("2/minute")
    answers = [limiter.refuse(DOCUMENT, peer) for peer in ("10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.1")]
    assert [answer is None for answer in answers] == [True, True, True, False]
    assert answers[-1]
    assert "2 calls in 60 s" in answers[-1].refusal


@pytest.mark.parametrize("path", ["/login", "/api/v1/login", "/prefer", "/openapi.json", "/api/v1/jobs"])
def test_only_probes_and_static_files_are_unlimited(path: str) -> None:
    limiter = AddressLimiter("1/minute")
    assert [limiter.refuse(path, "10.0.0.1") is None for _ in range(2)] == [True, False]
    for free in ("/healthz", "/readyz", "/static/x/kaboom.css"):
        assert limiter.refuse(free, "10.0.0.1") is None


def test_the_table_of_addresses_is_bounded() -> None:
    limiter = AddressLimiter("1/minute", most=100)
    for n in range(1000):
        assert limiter.refuse(DOCUMENT, f"10.0.{n // 250}.{n % 250}") is None
    assert len(limiter) == 100
    # The newest are known.
    assert limiter.refuse(DOCUMENT, f"10.0.3.{999 % 250}")


@pytest.mark.anyio
async def test_a_flood_without_a_token_holds_up_nobody_else(tmp_path: Path) -> None:
    settings = memory_settings(tmp_path, rate_limit_anonymous="3/minute")
    async with running(settings) as app:
        transport = httpx2.ASGITransport(app, client=("203.0.113.7", 1))
        async with httpx2.AsyncClient(transport=transport, base_url="http://kaboom") as http:
            codes = [(await http.get(path)).status_code for path in (DOCUMENT, "/nothing", JOBS, JOBS)]
            refused = await http.get(DOCUMENT)
            open_to_all = [(await http.get(path)).status_code for path in ("/healthz", "/readyz")]
            with_token = await http.get(JOBS, headers={"x-ingest-token": TOKEN})
    assert codes == [200, 401, 401, 429]
    assert refused.json()["type"].endswith("/rate-limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["ratelimit-policy"] == '"anonymous";q=3;w=60'
    assert open_to_all == [200, 200]
    assert with_token.status_code == 200


class CountingStore(MemoryAccountStore):
    """A store that counts lookups of tokens and sessions."""

    def __init__(self) -> None:
        super().__init__()
        self.lookups = 0

    async def load_token(self, token_id: str) -> Token | None:
        self.lookups += 1
        return await super().load_token(token_id)

    async def load_session(self, session_id: str) -> BrowserSession | None:
        self.lookups += 1
        return await super().load_session(session_id)


def at(app: FastAPI, address: str) -> httpx2.AsyncClient:
    """Return a client without a token at an address."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app, client=(address, 1)), base_url="http://kaboom")


def random_token() -> dict[str, str]:
    return {"authorization": f"Bearer {make_api_token().text}"}


def random_session() -> dict[str, str]:
    return {"cookie": f"__Host-kaboom={make_session_value()}"}


@pytest.mark.anyio
async def test_a_flood_of_random_credentials_is_not_looked_up(tmp_path: Path) -> None:
    async with running(memory_settings(tmp_path, rate_limit_anonymous="3/minute")) as app:
        store = CountingStore()
        accounts_of_app(app).directory.open(store)
        async with at(app, "203.0.113.7") as http:
            codes = [(await http.get(JOBS, headers=random_token())).status_code for _ in range(3)]
            assert (codes, store.lookups) == ([401, 401, 401], 3)
            refused = [await http.get(JOBS, headers=make()) for make in (random_token, random_session)]
        assert ([answer.status_code for answer in refused], store.lookups) == ([429, 429], 3)
        async with at(app, "203.0.113.8") as elsewhere:
            assert (await elsewhere.get(JOBS, headers=random_session())).status_code == 401
        assert store.lookups == 4


@pytest.mark.anyio
async def test_a_token_that_was_valid_before_passes_at_a_flooded_address(tmp_path: Path) -> None:
    async with running(memory_settings(tmp_path, rate_limit_anonymous="3/minute")) as app:
        (_, known), (_, unseen) = await add_token(app, Scope.JOBS_READ), await add_token(app, Scope.JOBS_READ)
        async with at(app, "203.0.113.7") as http:
            assert (await http.get(JOBS, headers={"x-ingest-token": known})).status_code == 200
            for _ in range(3):
                await http.get(JOBS)
            codes = [(await http.get(JOBS, headers={"x-ingest-token": each})).status_code for each in (known, unseen)]
        assert codes == [200, 429]
        async with at(app, "203.0.113.8") as elsewhere:
            assert (await elsewhere.get(JOBS, headers={"x-ingest-token": unseen})).status_code == 200


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("unix:", "unix:"),
        ("testclient", "testclient"),
    ],
)
def test_an_address_counts_for_its_host_or_its_network_of_64_bits(client: str, network: str) -> None:
    assert network_of(client) == network


def test_whether_a_client_came_by_tls_is_said_by_the_first_proxy_that_is_expected() -> None:
    forwarded = {b"x-forwarded-proto": b"https , http"}
    direct, behind = AddressLimiter("60/minute"), AddressLimiter("60/minute", hops=1)
    assert [direct.is_encrypted(*each) for each in (("https", {}), ("http", {}), ("http", forwarded))] == [
        True,
        False,
        False,
    ]
    assert behind.is_encrypted("http", forwarded)
    assert not behind.is_encrypted("http", {b"x-forwarded-proto": b"http, https"})
    assert not behind.is_encrypted("http", {})


def test_an_address_is_spent_after_its_last_call_and_until_its_window_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("kaboom.web.rate_limit.time.monotonic", lambda: now)
    limiter = AddressLimiter("2/minute")
    assert not limiter.is_spent("192.0.2.1")
    assert limiter.refuse("/x", "192.0.2.1") is None
    assert not limiter.is_spent("192.0.2.1")
    assert limiter.refuse("/x", "192.0.2.1") is None
    assert limiter.is_spent("192.0.2.1")
    assert not limiter.is_spent("192.0.2.2")
    now = 1059.5
    refused = limiter.refuse("/x", "192.0.2.1")
    assert refused == Allowance(
        '"anonymous";q=2;w=60',
        '"anonymous";r=0;t=1',
        "an address without a valid token may make 2 calls in 60 s",
        1,
    )
    now = 1060.0
    assert not limiter.is_spent("192.0.2.1")
    assert limiter.refuse("/x", "192.0.2.1") is None
    assert AddressLimiter("off").refuse("/x", "192.0.2.1") is None
    assert not AddressLimiter("off").is_spent("192.0.2.1")


@pytest.mark.parametrize(
    ("left", "ends_in_s", "state"),
    [(5, 59.2, "r=5;t=60"), (0, 0.2, "r=0;t=1"), (-3, -1.0, "r=0;t=1"), (1, 60.0, "r=1;t=60")],
)
def test_the_headers_of_a_limit_count_down_and_never_below_nothing(left: int, ends_in_s: float, state: str) -> None:
    found = Rate("read", 120, 60).allow(left, ends_in_s)
    assert (found.policy, found.state, found.refusal) == ('"read";q=120;w=60', f'"read";{state}', "")


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("3/second", Rate("read", 3, 1)),
        ("120/minute", Rate("read", 120, 60)),
        ("5/hour", Rate("read", 5, 3600)),
        ("9/day", Rate("read", 9, 86_400)),
        ("off", None),
    ],
)
def test_a_policy_is_a_number_of_calls_in_a_window(text: str, rate: Rate | None) -> None:
    assert parse_rate("read", text) == rate
