"""Requests that want a turn at the same time cost Redis, and the process, one round trip."""

import asyncio

import pytest

from batch.kit.redis.client import Redis, connect_redis
from batch.providers.limiter.port import Limits, Turn, Verdict
from tests.fixtures.providers.limiters import redis_limiter

pytestmark = pytest.mark.anyio
#: More than go in one group.
ASKERS = 100


async def reads(redis: Redis) -> int:
    """Return how often the server has read from a socket."""
    return int((await redis.info("stats"))["total_reads_processed"])


async def test_those_who_ask_at_once_share_a_trip_and_those_who_end(redis_url: str) -> None:
    redis = connect_redis(redis_url, client_name="test")
    async with redis_limiter(redis_url, Limits(concurrency=ASKERS)) as bench:
        # The first one connects, and brings the scripts.
        await bench.limiter.settle(await bench.turn(), Verdict.ANSWERED)
        before = await reads(redis)
        turns = await asyncio.gather(*(bench.limiter.ask() for _ in range(ASKERS)))
        assert all(isinstance(turn, Turn) for turn in turns)
        await asyncio.gather(*(bench.limiter.settle(t, Verdict.ANSWERED) for t in turns if isinstance(t, Turn)))
        # Four groups, each of some kilobytes that may come in pieces; one by one it would be two hundred.
        assert await reads(redis) - before < 20
    await redis.aclose()
