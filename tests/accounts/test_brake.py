"""API processes count failed logins together in Redis; without Redis each counts for itself."""

from collections.abc import AsyncIterator

import pytest

from kaboom.accounts import login_limits as counts
from kaboom.accounts import login_limits as module
from kaboom.accounts.login_limits import (
    FREE,
    Attempt,
    LoginFailures,
    LoginLimiter,
    MemoryLoginFailures,
    RedisLoginFailures,
)
from kaboom.drivers.redis.client import Redis, connect_redis
from kaboom.errors import StoreError
from kaboom.web.caller_errors import TooManyLogins

pytestmark = pytest.mark.anyio
ADDRESS = "192.0.2.1"


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Switched(MemoryLoginFailures):
    """Counts that can be unavailable."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.is_away = 0, False

    async def begin(self, attempt: Attempt) -> float:
        self.asked += 1
        if self.is_away:
            raise StoreError("Redis did not answer")
        return await super().begin(attempt)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """An empty Redis."""
    client = connect_redis(redis_url, client_name="test")
    await client.flushdb()
    yield client
    await client.aclose()


def limiter_of(failures: LoginFailures | None, clock: Hand | None = None) -> LoginLimiter:
    limiter = LoginLimiter(clock or Hand())
    limiter.share(failures)
    return limiter


async def passed(limiter: LoginLimiter, attempts: int, address: str = ADDRESS) -> int:
    """Return how many attempts of an account were made."""
    made = 0
    for _ in range(attempts):
        try:
            await limiter.begin("taro", address)
        except TooManyLogins:
            continue
        made += 1
    return made


async def test_two_processes_allow_no_more_than_one(redis: Redis) -> None:
    one, other = (limiter_of(RedisLoginFailures(redis)) for _ in range(2))
    assert (await passed(one, 3), await passed(other, 3)) == (3, FREE - 3)
    assert await passed(one, 3) == 0


async def test_a_success_in_one_process_clears_the_account_in_all(redis: Redis) -> None:
    one, other = (limiter_of(RedisLoginFailures(redis)) for _ in range(2))
    await passed(one, FREE)
    await one.succeed("taro", ADDRESS)
    assert await passed(other, 1, "198.51.100.9") == 1


async def test_without_redis_a_process_counts_for_itself_and_returns() -> None:
    clock, shared = Hand(), Switched()
    limiter = limiter_of(shared, clock)
    shared.is_away = True
    assert (await passed(limiter, FREE + 2), shared.asked) == (FREE, 1)
    clock.now += module._ALONE_S
    shared.is_away = False
    assert (await passed(limiter, 1), shared.asked) == (1, 2)


async def test_an_ipv6_network_is_one_address() -> None:
    limiter = limiter_of(None)
    for number in range(FREE):
        await limiter.begin(f"user-{number}", f"2001:db8:1:2::{number}")
    with pytest.raises(TooManyLogins) as caught:
        await limiter.begin("another", "2001:db8:1:2:ffff::1")
    assert (caught.value.retry_after_s or 0) >= 1
    await limiter.begin("another", "2001:db8:1:3::1")


async def test_a_long_wait_without_a_listener_is_a_refusal() -> None:
    clock = Hand()
    limiter = limiter_of(None, clock)
    waits: list[float] = []
    while not waits or waits[-1] < module.STORM_S:
        try:
            await limiter.begin("taro", ADDRESS)
        except TooManyLogins as refused:
            waits.append(refused.retry_after_s or 0.0)
            clock.now += waits[-1]
    assert waits == sorted(waits)


async def test_the_tables_of_a_process_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "_MOST", 50)
    failures = MemoryLoginFailures(Hand())
    for number in range(500):
        attempt = Attempt(f"198.51.{number // 250}.{number % 250}", f"user-{number}")
        await failures.begin(attempt)
        await failures.succeed(attempt)
    assert max(len(failures._entries), len(failures._known)) <= 50
