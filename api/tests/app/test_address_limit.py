"""An address without a token may call only so often; probes and callers with the token are not limited by it."""

from pathlib import Path

import httpx2
import pytest

from app.address_limit import AddressLimiter, find_address
from tests.fixtures.jobs.apps import JOBS, TOKEN, memory_settings, running

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
def test_an_address_is_the_word_of_the_trusted_proxies_alone(hops: int, lines: list[str], address: str) -> None:
    assert find_address("10.0.0.1", forwarded(*lines), hops=hops) == address


def test_each_address_has_a_window_of_its_own() -> None:
    limiter = AddressLimiter("2/minute")
    answers = [limiter.refuse(DOCUMENT, peer, []) for peer in ("10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.1")]
    assert [answer is None for answer in answers] == [True, True, True, False]
    assert answers[-1]
    assert "2 calls in 60 s" in answers[-1].refusal


def test_the_table_of_addresses_is_bounded() -> None:
    limiter = AddressLimiter("1/minute", most=100)
    for n in range(1000):
        assert limiter.refuse(DOCUMENT, f"10.0.{n // 250}.{n % 250}", []) is None
    assert len(limiter) == 100
    # The newest are known.
    assert limiter.refuse(DOCUMENT, f"10.0.3.{999 % 250}", [])


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
