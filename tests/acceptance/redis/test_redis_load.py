"""A real server tells of its load; one that may not, tells nothing and is not in the way."""

import re
from collections.abc import AsyncIterator

import pytest

from kaboom.drivers.redis.client import Redis, ServerLoad, connect_redis, read_load
from kaboom.errors import StoreError

pytestmark = pytest.mark.anyio


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = connect_redis(redis_url, client_name="test")
    yield client
    await client.aclose()


async def test_a_server_tells_of_its_load(redis: Redis) -> None:
    before = await read_load(redis)
    assert len(before.run_id) == 40
    # Work of its own, so that the clock of its thread moves.
    await redis.eval("for i = 1, 300000 do local x = tostring(i) end", 0)
    after = await read_load(redis)
    assert before.cpu_s is not None
    assert after.cpu_s is not None
    assert 0 < before.cpu_s < after.cpu_s < before.cpu_s + 30
    assert after.run_id == before.run_id
    assert (after.memory_used or 0) > 100_000
    assert (after.clients or 0) >= 1


async def test_a_limit_of_0_means_no_limit(redis: Redis) -> None:
    was = str((await redis.config_get("maxmemory"))["maxmemory"])
    try:
        await redis.config_set("maxmemory", 0)
        assert (await read_load(redis)).memory_max is None
        await redis.config_set("maxmemory", 900_000_000)
        assert (await read_load(redis)).memory_max == 900_000_000
    finally:
        await redis.config_set("maxmemory", was)


async def test_a_server_that_refuses_the_question_tells_nothing(redis: Redis, redis_url: str) -> None:
    await redis.acl_setuser(
        "mute", enabled=True, passwords=["+s3cret"], keys=["*"], categories=["+@all"], commands=["-info"]
    )
    mute = connect_redis(re.sub("//[^@]*@", "//mute:s3cret@", redis_url), client_name="test")
    try:
        assert await read_load(mute) == ServerLoad()
    finally:
        await mute.aclose()
        await redis.acl_deluser("mute")


async def test_an_unavailable_redis_is_a_store_error() -> None:
    away = connect_redis("redis://127.0.0.1:1/0", client_name="test")
    with pytest.raises(StoreError):
        await read_load(away)
    await away.aclose()
