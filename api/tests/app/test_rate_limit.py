"""What one token may ask: every answer says what is left, and beyond it there is 429, before the body is read."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.settings import load_settings
from batch.errors import ConfigurationError
from tests.fixtures.apps import JOBS, RUN_DAILY, client_of, memory_settings, running
from tests.fixtures.job_steps import until

pytestmark = pytest.mark.anyio
DRY_RUN = {"intervals": {"1m": 1}, "symbols": ["7203"], "session": "2025-11-04", "dry_run": True}


@asynccontextmanager
async def limited(tmp_path: Path, *, write: str = "off", read: str = "off") -> AsyncIterator[httpx2.AsyncClient]:
    """Give a client of an API with limits."""
    settings = memory_settings(tmp_path, rate_limit_write=write, rate_limit_read=read)
    async with running(settings) as app, client_of(app) as client:
        yield client


def left(answer: httpx2.Response) -> tuple[str, int]:
    """Return the policy that an answer names, and what is left of it."""
    found = re.fullmatch(r'"(\w+)";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
    assert found, answer.headers["ratelimit"]
    assert 1 <= int(found[3]) <= 60
    return found[1], int(found[2])


async def test_answers_count_down_to_429(tmp_path: Path) -> None:
    async with limited(tmp_path, write="2/minute", read="5/minute") as http:
        answers = [await http.post(RUN_DAILY, json=DRY_RUN) for _ in range(3)]
        assert [a.status_code for a in answers] == [202, 202, 429]
        assert [left(a) for a in answers] == [("write", 1), ("write", 0), ("write", 0)]
        assert {a.headers["ratelimit-policy"] for a in answers} == {'"write";q=2;w=60'}
        # Reads have a policy of their own.
        read = await http.get(JOBS)
        assert (read.status_code, left(read), read.headers["ratelimit-policy"]) == (
            200, ("read", 4), '"read";q=5;w=60',
        )  # fmt: skip


async def test_429_is_a_problem_that_says_when_to_come_back(tmp_path: Path) -> None:
    async with limited(tmp_path, read="1/minute") as http:
        await http.get(JOBS)
        answer = await http.get(JOBS, headers={"Accept-Language": "ja"})
    problem: Any = answer.json()
    assert answer.status_code == 429
    assert problem["type"].endswith("/rate-limited")
    assert problem["title"] == "リクエストが多すぎます"
    assert "1 reads in 60 s" in problem["detail"]
    assert 1 <= int(answer.headers["retry-after"]) <= 60


async def test_after_the_window_all_is_allowed_again(tmp_path: Path) -> None:
    async with limited(tmp_path, read="1/second") as http:

        async def ask() -> int:
            await asyncio.sleep(0.05)
            return (await http.get(JOBS)).status_code

        await until(ask, lambda status: status == 429)
        await until(ask, lambda status: status == 200)


async def test_a_wrong_token_uses_up_nothing(tmp_path: Path) -> None:
    async with limited(tmp_path, read="2/minute") as http:
        for _ in range(5):
            wrong = await http.get(JOBS, headers={"x-ingest-token": "wrong"})
            assert wrong.status_code == 401
            assert "ratelimit" not in wrong.headers
        assert left(await http.get(JOBS)) == ("read", 1)


async def test_a_refused_body_was_a_write_and_is_not_read(tmp_path: Path) -> None:
    async with limited(tmp_path, write="1/minute") as http:
        assert (await http.post(RUN_DAILY, content=b"{")).status_code == 415

        async def body() -> AsyncIterator[bytes]:
            pytest.fail("the body was read")
            yield b""

        answer = await http.post(RUN_DAILY, content=body(), headers={"content-type": "application/json"})
        assert answer.status_code == 429


@pytest.mark.parametrize("path", ["/healthz", "/openapi.json"])
async def test_what_watches_the_service_is_not_limited(tmp_path: Path, path: str) -> None:
    async with limited(tmp_path, read="1/minute") as http:
        answers = [await http.get(path) for _ in range(3)]
    assert {a.status_code for a in answers} == {200}
    assert not any("ratelimit" in a.headers for a in answers)


async def test_limits_can_be_switched_off(http: httpx2.AsyncClient, app: FastAPI) -> None:
    answer = await http.get(JOBS)
    assert (answer.status_code, "ratelimit" in answer.headers) == (200, False)
    assert app


@pytest.mark.parametrize(
    "text", ["", "none", "0/minute", "1/week", "10", "10 per minute", "-1/second", "1/minute;2/day"]
)
def test_a_limit_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="KABOOM_RATE_LIMIT_READ"):
        load_settings(KABOOM_RATE_LIMIT_READ=text)
