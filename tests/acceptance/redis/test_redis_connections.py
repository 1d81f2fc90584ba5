"""A connection to Redis that is reset, or that loses an answer: the driver's home turns either into plain words."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import pytest

from kaboom.drivers.redis.client import Redis, ResponseError, ScriptCall, connect_redis, run_together
from kaboom.jobs.redis.redis_store import RedisJobStore
from kaboom.jobs.redis.store import Claim
from tests.faults.lab.faults import script_sha
from tests.faults.lab.proxy import FaultProxy
from tests.fixtures.jobs.job_steps import claimed, until
from tests.fixtures.jobs.jobs import make_job, plan_step, ref_of

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both event loops: the worker's and the API's."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@pytest.fixture
def link(redis_url: str) -> Iterator[FaultProxy]:
    """A proxy before Redis."""
    proxy = FaultProxy(urlsplit(redis_url).port or 6379)
    yield proxy
    proxy.close()


@pytest.fixture
async def redis(redis_url: str, link: FaultProxy) -> AsyncIterator[Redis]:
    """A client through the proxy, on an emptied database."""
    client = connect_redis(redis_url.replace(f":{urlsplit(redis_url).port}/", f":{link.port}/"), client_name="test")
    await client.flushdb()
    yield client
    await client.aclose()


async def test_a_reset_connection_is_replaced(redis: Redis, link: FaultProxy) -> None:
    await redis.set("one", "1")
    (connection,) = redis.connection_pool._available_connections
    link.cut()

    async def is_closing() -> bool:
        await asyncio.sleep(0.01)
        return connection._writer is not None and connection._writer.is_closing()

    # The transport knows, and redis-py does not yet: it raised the transport's own errors here.
    await until(is_closing, bool)
    assert await redis.get("one") == "1"


async def test_scripts_in_one_round_trip_answer_in_order_despite_a_failure(redis: Redis, link: FaultProxy) -> None:
    say = redis.register_script("return ARGV[1]")
    fail = redis.register_script("return redis.error_reply('WRONG ' .. KEYS[1])")
    said: list[ScriptCall] = [(say, [], [word]) for word in ("一", "2", "three")]
    assert await run_together(redis, said) == ["一", "2", "three"]
    with pytest.raises(ResponseError, match="WRONG key"):
        await run_together(redis, [said[0], (fail, ["key"], []), said[1]])
    assert await run_together(redis, said) == ["一", "2", "three"]
    link.cut()
    assert await run_together(redis, said[1:]) == ["2", "three"], "once more, over another connection"
    assert len(redis.connection_pool._available_connections) == 1


async def test_a_claim_whose_answer_got_lost_is_the_same_claim(redis: Redis, link: FaultProxy) -> None:
    store, first, job = RedisJobStore(redis), make_job(), make_job()
    for each in (first, job):
        await store.put(each, [plan_step()])
    # Redis knows the script from now on.
    await claimed(store, ref_of(first))
    link.swallows = script_sha("claim")
    claim = await store.claim(ref_of(job), owner="w")
    assert link.swallowed == 1
    assert isinstance(claim, Claim)
    assert claim.chunk.attempts == 1
    assert await redis.hget(f"ingest:job:{job.job_id}:chunks", "fence:plan") == claim.lease.fence
