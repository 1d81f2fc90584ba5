"""An empty Redis, and the store of live jobs on it."""

from collections.abc import AsyncIterator

import pytest

from kaboom.drivers.redis.client import Redis, connect_redis
from kaboom.jobs.redis.redis_store import RedisJobStore


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A connection to an empty Redis."""
    connection = connect_redis(redis_url, client_name="test")
    await connection.flushdb()
    yield connection
    await connection.aclose()


@pytest.fixture
def store(redis: Redis) -> RedisJobStore:
    """The store of live jobs."""
    return RedisJobStore(redis)
