"""Browsers are told to use TLS only where a client came by TLS, and never on loopback."""

from pathlib import Path

import httpx2
import pytest

from tests.fixtures.jobs.apps import JOBS, TOKEN, memory_settings, running

pytestmark = pytest.mark.anyio
HEADER = "strict-transport-security"
HTTPS = {"x-forwarded-proto": "https"}


@pytest.mark.parametrize(
    ("hops", "url", "headers", "is_told"),
    [
        # Behind Caddy, an Ingress or Cloud Run.
        (1, "http://kaboom.example.com", HTTPS, True),
        (2, "http://kaboom.example.com", {"x-forwarded-proto": "https, http"}, True),
        (1, "http://kaboom.example.com", {"x-forwarded-proto": "http"}, False),
        (1, "http://kaboom.example.com", {"x-forwarded-proto": "http, https"}, False),
        (1, "http://kaboom.example.com", {}, False),
        # Without a proxy anybody could write the header.
        (0, "http://kaboom.example.com", HTTPS, False),
        (0, "https://kaboom.example.com", {}, True),
        # It would hold for all that this machine serves.
        (1, "http://localhost:8443", HTTPS, False),
        (1, "http://127.0.0.1:8000", HTTPS, False),
        (0, "https://[::1]:8000", {}, False),
    ],
)
async def test_strict_transport_security(
    tmp_path: Path, hops: int, url: str, headers: dict[str, str], *, is_told: bool
) -> None:
    async with running(memory_settings(tmp_path, proxy_hops=hops)) as app:
        http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=url, headers=headers)
        async with http:
            answers = [await http.get("/healthz"), await http.get(JOBS), await http.get("/login")]
            answers.append(await http.get(JOBS, headers={"x-ingest-token": TOKEN}))
    assert [answer.status_code for answer in answers] == [200, 401, 200, 200]
    assert {answer.headers.get(HEADER) for answer in answers} == {"max-age=31536000" if is_told else None}
