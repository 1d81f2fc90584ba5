"""Failed logins are slowed by account, address and browser: the same in one process and in Redis."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from kaboom.accounts.login_limits import (
    FORGOTTEN_S,
    FREE,
    KNOWN_S,
    MOST_ACCOUNT_S,
    MOST_ADDRESS_S,
    Attempt,
    LoginFailures,
    MemoryLoginFailures,
    RedisLoginFailures,
)
from kaboom.drivers.redis.client import Redis, connect_redis
from kaboom.jobs.redis import keys

pytestmark = pytest.mark.anyio
ADDRESS = "192.0.2.1"


class Counted:
    """Counts of failed logins, and a way to let time pass."""

    def __init__(self, failures: LoginFailures, wait: Callable[[float], Awaitable[None]]) -> None:
        self.failures, self.wait = failures, wait

    async def attempt(self, account: str | None, address: str = ADDRESS, *, device: str = "") -> float:
        """Return how long an attempt must wait, in whole seconds; 0 where it was made."""
        return round(await self.failures.begin(Attempt(address, account, device)))

    async def succeed(self, account: str | None, address: str = ADDRESS, *, device: str = "") -> None:
        await self.failures.succeed(Attempt(address, account, device))

    async def lock(self, account: str) -> None:
        """Let twenty addresses guess at an account until each must wait."""
        for number in range(20):
            while await self.attempt(account, f"203.0.113.{number}") == 0:
                pass


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
        if await redis.type(key) == "hash" and await redis.hexists(key, "open_at"):
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
    await counted.succeed("hana")
    assert await counted.attempt("hana") == 0
    assert await counted.attempt("hana") == 1


async def test_a_success_without_failures_gives_no_credit(counted: Counted) -> None:
    for _ in range(3):
        await counted.succeed("taro")
    waits = [await counted.attempt("taro") for _ in range(FREE + 1)]
    assert waits == [0] * FREE + [1]


async def test_failures_are_forgotten_after_an_hour(counted: Counted) -> None:
    for _ in range(FREE):
        await counted.attempt("taro")
    await counted.wait(FORGOTTEN_S + 1)
    await asyncio.sleep(0.01)
    assert [await counted.attempt("taro") for _ in range(FREE + 1)] == [0] * FREE + [1]


async def test_strangers_do_not_hold_an_address_that_logged_in_before(counted: Counted) -> None:
    await counted.succeed("admin")
    await counted.lock("admin")
    assert await counted.attempt("admin", "198.51.100.9") > 0
    assert await counted.attempt("admin") == 0
    # Only this account knows the address, and only this address is known.
    await counted.lock("other")
    assert await counted.attempt("other") > 0


async def test_a_known_address_has_a_brake_of_its_own(counted: Counted) -> None:
    await counted.succeed("admin")
    waits = [await counted.attempt("admin") for _ in range(FREE + 1)]
    assert waits == [0] * FREE + [1]
    # Its failures are not those of the account.
    assert await counted.attempt("admin", "198.51.100.9") == 0


async def test_strangers_do_not_hold_a_browser_that_logged_in_before(counted: Counted) -> None:
    await counted.lock("admin")
    # Behind a proxy that is not configured, strangers have the same address.
    for _ in range(FREE + 3):
        await counted.attempt("somebody")
    assert await counted.attempt(None) > 0
    assert await counted.attempt("admin", device="d1") == 0


async def test_a_known_browser_has_a_brake_of_its_own(counted: Counted) -> None:
    waits = []
    for _ in range(FREE):
        assert await counted.attempt("admin", device="d1") == 0
    for _ in range(9):
        waits.append(await counted.attempt("admin", device="d1"))
        await counted.wait(waits[-1])
        assert await counted.attempt("admin", device="d1") == 0
    assert waits == [1, 2, 4, 8, 16, 32, *[MOST_ACCOUNT_S] * 3]
    assert await counted.attempt("admin", device="d2") == 0
    assert await counted.attempt("admin") == 0


async def test_a_login_of_a_known_browser_gives_strangers_no_new_attempts(counted: Counted) -> None:
    await counted.lock("admin")
    for _ in range(3):
        assert await counted.attempt("admin", "198.51.100.9", device="d1") == 0
        await counted.succeed("admin", "198.51.100.9", device="d1")
        # Its address is known from then on, and gives strangers none either.
        assert await counted.attempt("admin", "198.51.100.9") == 0
        await counted.succeed("admin", "198.51.100.9")
    assert await counted.attempt("admin", "198.51.100.10") > 0


async def test_an_address_is_known_for_90_days(counted: Counted) -> None:
    await counted.succeed("admin")
    await counted.wait(KNOWN_S + 1)
    await asyncio.sleep(0.01)
    await counted.lock("admin")
    assert await counted.attempt("admin") > 0
