"""Failed logins are slowed by account and by address: the same in one process and in Redis."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from app.live import keys
from app.live.logins import FORGOTTEN_S, FREE, MOST_ACCOUNT_S, MOST_ADDRESS_S, LoginFailures, MemoryLoginFailures
from app.live.redis_logins import RedisLoginFailures
from batch.kit.redis.client import Redis, connect_redis

pytestmark = pytest.mark.anyio
ADDRESS = "192.0.2.1"


class Counted:
    """Counts of failed logins, and a way to let time pass."""

    def __init__(self, failures: LoginFailures, wait: Callable[[float], Awaitable[None]]) -> None:
        self.failures, self.wait = failures, wait

    async def attempt(self, account: str | None, address: str = ADDRESS) -> float:
        """Return how long an attempt must wait, in whole seconds; 0 where it was made."""
        return round(await self.failures.begin(account, address))


@pytest.fixture(params=["memory", "redis"])
async def counted(request: pytest.FixtureRequest) -> AsyncIterator[Counted]:
    """Counts of failed logins, empty."""
    if request.param == "memory":
        now = [1000.0]

        async def move_clock(seconds: float) -> None:
            now[0] += seconds

        yield Counted(MemoryLoginFailures(lambda: now[0]), move_clock)
        return
    redis = connect_redis(request.getfixturevalue("redis_url"), client_name="test")
    await redis.flushdb()
    yield Counted(RedisLoginFailures(redis), lambda seconds: age(redis, seconds))
    await redis.aclose()


async def age(redis: Redis, seconds: float) -> None:
    """Make every count as old as if time had passed: Redis has a clock of its own."""
    async for key in redis.scan_iter(keys.failed_logins("*", "*")):
        if await redis.hexists(key, "open_at"):
            await redis.hincrby(key, "open_at", -int(seconds * 1000))
        await redis.pexpire(key, max(1, await redis.pttl(key) - int(seconds * 1000)))


async def test_each_further_failure_waits_twice_as_long(counted: Counted) -> None:
    waits = []
    for number in range(FREE):
        assert await counted.attempt("taro", f"203.0.113.{number}") == 0
    for number in range(9):
        waits.append(await counted.attempt("taro", f"198.51.100.{number}"))
        await counted.wait(waits[-1])
        assert await counted.attempt("taro", f"198.51.100.{number}") == 0
    assert waits == [1, 2, 4, 8, 16, 32, *[MOST_ACCOUNT_S] * 3]


async def test_an_address_is_slowed_over_all_accounts(counted: Counted) -> None:
    for number in range(FREE):
        assert await counted.attempt(f"user-{number}") == 0
    assert await counted.attempt("another") == 1
    assert await counted.attempt("another", "198.51.100.9") == 0
    for _ in range(20):
        await counted.wait(await counted.attempt("more"))
        await counted.attempt(None)
    assert await counted.attempt(None) == pytest.approx(MOST_ADDRESS_S, abs=1)


async def test_attempts_at_once_do_not_pass_together(counted: Counted) -> None:
    waits = await asyncio.gather(*(counted.attempt("taro") for _ in range(100)))
    assert sum(wait == 0 for wait in waits) == FREE


async def test_a_refused_attempt_does_not_count(counted: Counted) -> None:
    for _ in range(FREE + 10):
        await counted.attempt("taro")
    await counted.wait(1)
    assert await counted.attempt("taro") == 0
    assert await counted.attempt("taro") == 2


async def test_a_success_clears_its_account_and_not_its_address(counted: Counted) -> None:
    for _ in range(FREE - 1):
        await counted.attempt("taro")
    await counted.attempt("hana")
    await counted.failures.succeed("hana", ADDRESS)
    assert await counted.attempt("hana") == 0
    assert await counted.attempt("hana") == 1


async def test_a_success_without_failures_gives_no_credit(counted: Counted) -> None:
    for _ in range(3):
        await counted.failures.succeed("taro", ADDRESS)
    waits = [await counted.attempt("taro") for _ in range(FREE + 1)]
    assert waits == [0] * FREE + [1]


async def test_failures_are_forgotten_after_an_hour(counted: Counted) -> None:
    for _ in range(FREE):
        await counted.attempt("taro")
    await counted.wait(FORGOTTEN_S + 1)
    await asyncio.sleep(0.01)
    assert [await counted.attempt("taro") for _ in range(FREE + 1)] == [0] * FREE + [1]
