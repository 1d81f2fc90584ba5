"""What Redis says about workers and their chunks; both twins agree in `tests/jobs/test_job_store_contract.py`."""

import pytest

from kaboom.drivers.redis.client import connect_redis
from kaboom.jobs.redis import keys
from tests.fixtures.jobs.job_steps import claimed, planned
from tests.fixtures.jobs.job_stores import redis_bench
from tests.fixtures.jobs.jobs import QUEUE, make_chunk, ref_of

pytestmark = pytest.mark.anyio


async def test_a_lease_whose_job_redis_lost_is_not_listed_as_running(redis_url: str) -> None:
    async with redis_bench(redis_url) as bench:
        lost, whole = [await planned(bench.store, make_chunk(0)) for _ in range(2)]
        for job in (lost, whole):
            await claimed(bench.store, ref_of(job, 0))
        redis = connect_redis(redis_url, client_name="test")
        await redis.delete(keys.job(QUEUE, lost.job_id))
        await redis.aclose()
        assert [found.job_id for found in await bench.store.load_running(QUEUE)] == [whole.job_id]
