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

from kaboom.drivers.redis.client import Redis, connect_redis
from kaboom.errors import ConfigurationError, StoreError
from kaboom.jobs.redis import keys
from kaboom.jobs.redis.redis_counts import RedisCounts
from kaboom.settings import load_settings
from kaboom.web.auth.scopes import Scope
from kaboom.web.rate_limit import Count, Rate, RateLimiter
from tests.fixtures.accounts.callers import add_token, stranger_of
from tests.fixtures.jobs.apps import JOBS, RUN_DAILY, client_of, jobs_of, memory_settings, running
from tests.fixtures.jobs.job_steps import until

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


async def test_each_token_has_a_limit_under_that_of_its_owner(tmp_path: Path) -> None:
    async with running(memory_settings(tmp_path, rate_limit_read="2/hour")) as app:
        texts = [(await add_token(app, Scope.JOBS_READ, owner=owner))[1] for owner in ("one",) * 4 + ("other",)]
        answers: list[list[int]] = []
        for text in texts:
            async with stranger_of(app, **{"x-ingest-token": text}) as http:
                answers.append([(await http.get(JOBS)).status_code for _ in range(3)])
    assert answers == [[200, 200, 429]] * 3 + [[429] * 3, [200, 200, 429]]


async def test_429_is_a_problem_that_says_when_to_come_back(tmp_path: Path) -> None:
    async with limited(tmp_path, read="1/minute") as http:
        await http.get(JOBS)
        answer = await http.get(JOBS, headers={"Accept-Language": "ja"})
    problem: Any = answer.json()
    assert answer.status_code == 429
    assert problem["type"].endswith("/rate-limited")
    assert problem["title"] == "リクエストが多すぎます"
    assert "60秒間で1回までです" in problem["detail"]
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
async def test_open_paths_do_not_count_for_the_token(tmp_path: Path, path: str) -> None:
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


class Away:
    """Shared counts that do not answer: at once, or never."""

    def __init__(self, *, is_frozen: bool = False) -> None:
        self.asked = 0
        self._is_frozen = is_frozen

    async def add(self, rate: Rate, caller: str, calls: int) -> Count:
        self.asked += 1
        if self._is_frozen:
            await asyncio.sleep(60)
        raise StoreError("away")


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """An empty Redis."""
    client = connect_redis(redis_url, client_name="test")
    await client.flushdb()
    yield client
    await client.aclose()


def two_processes(redis: Redis, **rates: str) -> list[RateLimiter]:
    limiters = [RateLimiter(write=rates.get("write", "off"), read=rates.get("read", "off")) for _ in range(2)]
    for limiter in limiters:
        limiter.share(RedisCounts(redis))
    return limiters


async def test_two_processes_allow_no_more_than_one(redis: Redis) -> None:
    limiters = two_processes(redis, write="10/minute")
    answers = [await limiters[n % 2].spend("ingest", "POST") for n in range(14)]
    assert [bool(answer and answer.refusal) for answer in answers] == [False] * 10 + [True] * 4
    other = await limiters[0].spend("somebody else", "POST")
    assert other
    assert not other.refusal


async def test_a_process_that_joins_says_when_the_shared_window_ends(redis: Redis) -> None:
    first, second = two_processes(redis, write="1/minute")
    await first.spend("ingest", "POST")
    await redis.pexpire(keys.calls("write", "ingest"), 20_000)
    refused = await second.spend("ingest", "POST")
    assert refused
    assert refused.refusal
    assert 10 < refused.reset_s <= 20


async def test_at_once_two_processes_allow_no_more_than_one(redis: Redis) -> None:
    limiters = two_processes(redis, read="100/minute")
    answers = await asyncio.gather(*(limiters[n % 2].spend("ingest", "GET") for n in range(300)))
    assert sum(1 for answer in answers if answer and not answer.refusal) == 100
    # The window ends by itself, also where its processes are gone.
    assert 0 < await redis.pttl(keys.calls("read", "ingest")) <= 60_000


async def test_most_calls_ask_redis_nothing(redis: Redis) -> None:
    limiter = two_processes(redis, read="3000/minute")[0]
    for _ in range(300):
        await limiter.spend("ingest", "GET")
    assert await redis.get(keys.calls("read", "ingest")) == "300"
    answer = await limiter.spend("ingest", "GET")
    assert answer
    assert answer.state.startswith('"read";r=2699;')
    assert await redis.get(keys.calls("read", "ingest")) == "450"


@pytest.mark.parametrize("is_frozen", [False, True])
async def test_without_redis_a_process_counts_alone_and_waits_for_nobody(*, is_frozen: bool) -> None:
    counts, limiter = Away(is_frozen=is_frozen), RateLimiter(write="5/minute", read="off")
    limiter.share(counts)
    begin = asyncio.get_running_loop().time()
    answers = [await limiter.spend("ingest", "POST") for _ in range(8)]
    assert [bool(answer and answer.refusal) for answer in answers] == [False] * 5 + [True] * 3
    # One question of at most 0.1 s, and the next after a second.
    assert counts.asked == 1
    assert asyncio.get_running_loop().time() - begin < 1


async def test_a_call_that_is_given_back_can_be_made_again(redis: Redis) -> None:
    limiter = two_processes(redis, write="2/minute")[0]
    for _ in range(5):
        await limiter.spend("ingest", "POST")
        answer = limiter.refund("ingest", "POST")
    assert answer
    assert answer.state.startswith('"write";r=')
    answers = [await limiter.spend("ingest", "POST") for _ in range(3)]
    assert [bool(answer and answer.refusal) for answer in answers] == [False, False, True]


async def test_a_503_does_not_spend_the_limit(tmp_path: Path) -> None:
    settings = memory_settings(tmp_path, rate_limit_write="2/minute")
    async with running(settings) as app, client_of(app) as http:
        store = jobs_of(app).parts.store
        ping = store.ping

        async def away(*, fresh_s: float = 0.0) -> None:
            raise StoreError("Redis did not answer")

        store.ping = away  # type: ignore[method-assign]
        failed = [await http.post(RUN_DAILY, json=DRY_RUN) for _ in range(5)]
        store.ping = ping  # type: ignore[method-assign]
        answers = [await http.post(RUN_DAILY, json=DRY_RUN) for _ in range(3)]
    assert [(a.status_code, left(a)) for a in failed] == [(503, ("write", 2))] * 5
    assert [a.status_code for a in answers] == [202, 202, 429]


async def test_a_process_that_stood_still_refuses_nobody_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = RateLimiter(write="5/minute", read="off")
    limiter.share(Away())

    async def fail(_: object, item: None) -> None:
        raise StoreError("no answer came within 5 s")

    monkeypatch.setattr("kaboom.web.rate_limit.CallBatcher.call", fail)
    answers = [await limiter.spend("ingest", "POST") for _ in range(6)]
    assert [bool(answer and answer.refusal) for answer in answers] == [False] * 5 + [True]
