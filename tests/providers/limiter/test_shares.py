"""Processes that want more places than there are share them, though each asks again as it frees one."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast

import pytest

from kaboom.drivers.redis.client import connect_redis
from kaboom.providers.limiter import pauses
from kaboom.providers.limiter.port import POLL_S, Limits, Permit, Reason, Result
from kaboom.providers.limiter.redis import RedisPermitStore
from tests.fixtures.providers.permit_stores import PROVIDER, PermitBench, redis_permits

pytestmark = pytest.mark.anyio


class Process:
    """One that always wants one more place than it can get."""

    def __init__(self, limiter: RedisPermitStore) -> None:
        self._limiter = limiter
        self._turns: list[Permit] = []

    @property
    def held(self) -> int:
        return len(self._turns)

    async def take(self) -> None:
        """Ask until there is no permit."""
        while isinstance(answer := await self._limiter.acquire(), Permit):
            self._turns.append(answer)

    async def exchange(self) -> None:
        """End a request and ask again, as the rate limiter does."""
        if self._turns:
            await self._limiter.release(self._turns.pop(0), Result.ANSWERED)
        await self.take()


@asynccontextmanager
async def processes(url: str, count: int, *, places: int) -> AsyncIterator[tuple[PermitBench, list[Process]]]:
    """Give processes, of which the first has taken all it could get."""
    limits = Limits(concurrency=places)
    async with AsyncExitStack() as stack:
        bench = await stack.enter_async_context(redis_permits(url, limits))
        made = []
        for _ in range(count):
            limiter = RedisPermitStore(PROVIDER, limits, lambda: connect_redis(url, client_name="process"))
            stack.push_async_callback(limiter.close)
            made.append(Process(limiter))
        await made[0].take()
        yield bench, made


@pytest.mark.parametrize(("count", "places", "shares"), [(2, 8, [4, 4]), (3, 8, [3, 3, 2]), (4, 4, [1, 1, 1, 1])])
async def test_places_are_shared_evenly(redis_url: str, count: int, places: int, shares: list[int]) -> None:
    async with processes(redis_url, count, places=places) as (_, wanting):
        assert wanting[0].held == places
        for _ in range(2 * places):
            for process in reversed(wanting):
                await process.exchange()
        assert sorted([process.held for process in wanting], reverse=True) == shares


async def test_fewer_slots_than_processes_rotate(redis_url: str) -> None:
    async with processes(redis_url, 3, places=1) as (_, wanting):
        had = [0, 0, 0]
        for _ in range(12):
            for number, process in enumerate(wanting):
                await process.exchange()
                had[number] += process.held
        assert min(had) >= 3, had


async def test_who_is_alone_or_waits_with_nobody_has_all(redis_url: str) -> None:
    async with processes(redis_url, 2, places=4) as (bench, (busy, gone)):
        await gone.take()
        assert gone.held == 0
        await bench.advance(0.3)
        for _ in range(8):
            await busy.exchange()
        assert busy.held == 4


async def test_a_process_counts_as_waiting_for_two_polls(redis_url: str) -> None:
    async with processes(redis_url, 2, places=4) as (_, (_, waiting)):
        redis = connect_redis(redis_url, client_name="test")
        times = [await redis.time()]
        await waiting.take()
        times.append(await redis.time())
        # The process that asked last is the last one.
        waits = await redis.zrange(pauses.of_provider(PROVIDER)[3], 0, -1, withscores=True)
        _, until_ms = cast("tuple[str, float]", waits[-1])
        await redis.aclose()
    begin_ms, end_ms = [seconds * 1000 + micros // 1000 for seconds, micros in times]
    assert begin_ms <= until_ms - 2000 * POLL_S <= end_ms


async def test_each_key_of_a_provider_is_dropped_after_a_day_without_a_request(redis_url: str) -> None:
    limits = Limits(requests=9, concurrency=2, window_s=60.0)
    async with redis_permits(redis_url, limits) as bench:
        permits = [await bench.permit()]
        await bench.advance(7.0)
        permits.append(await bench.permit())
        assert (await bench.wait()).reason is Reason.BUSY
        await bench.store.release(permits[0], Result.LIMITED)
        redis = connect_redis(redis_url, client_name="test")
        keys = pauses.of_provider(PROVIDER)
        for key in keys:
            await redis.pexpire(key, 60_000)
        assert (await bench.wait()).reason is Reason.PAUSE
        left_ms = [await redis.pttl(key) for key in keys]
        await redis.aclose()
    assert all(86_340_000 < each <= 86_400_000 for each in left_ms), left_ms
