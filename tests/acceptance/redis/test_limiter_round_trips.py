"""Concurrent requests for permits share one round trip."""

import asyncio

import pytest

from kaboom.drivers.redis.client import Redis, connect_redis
from kaboom.providers.limiter.port import Limits, Permit, Result
from tests.fixtures.providers.permit_stores import redis_permits

pytestmark = pytest.mark.anyio
#: More than go in one group.
ASKERS = 100


async def reads(redis: Redis) -> int:
    """Return how often the server has read from a socket."""
    return int((await redis.info("stats"))["total_reads_processed"])


async def test_concurrent_calls_share_a_round_trip(redis_url: str) -> None:
    redis = connect_redis(redis_url, client_name="test")
    async with redis_permits(redis_url, Limits(concurrency=ASKERS)) as bench:
        # The first one connects, and brings the scripts.
        await bench.store.release(await bench.permit(), Result.ANSWERED)
        before = await reads(redis)
        permits = await asyncio.gather(*(bench.store.acquire() for _ in range(ASKERS)))
        assert all(isinstance(permit, Permit) for permit in permits)
        await asyncio.gather(*(bench.store.release(t, Result.ANSWERED) for t in permits if isinstance(t, Permit)))
        # Four groups, each of some kilobytes that may come in pieces; one by one it would be two hundred.
        assert await reads(redis) - before < 20
    await redis.aclose()
