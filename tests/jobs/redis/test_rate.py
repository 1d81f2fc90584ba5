"""The rate of a job in Redis follows `Pace.after`, by times that the test moves."""

import pytest

from kaboom.drivers.redis.client import connect_redis
from kaboom.jobs.model import Pace
from kaboom.jobs.redis import keys
from tests.fixtures.jobs.job_steps import claimed, live, planned
from tests.fixtures.jobs.job_stores import redis_bench
from tests.fixtures.jobs.jobs import QUEUE, advance, make_chunk, ref_of

pytestmark = pytest.mark.anyio


async def test_the_rate_and_its_spread_are_smoothed_from_the_second_sample_on(redis_url: str) -> None:
    redis = connect_redis(redis_url, client_name="test")
    async with redis_bench(redis_url) as bench:
        job = await planned(bench.store, make_chunk(0, 200))
        claim = await claimed(bench.store, ref_of(job, 0))
        expected, settled = None, 0
        for items in (20, 40, 35):
            now_s, micros = await redis.time()
            await redis.hset(keys.job(QUEUE, job.job_id), "rate_at", str(now_s * 1000 + micros // 1000 - 10_000))
            settled += items
            await bench.store.beat(claim.lease, advance(claim.chunk, ["ok"] * settled))
            expected = Pace(items / 10) if expected is None else expected.after(items, 10.0)
            found = await live(bench.store, job)
            assert found.rate == pytest.approx(expected.rate, rel=0.05)
            assert (found.rate_spread or 0.0) == pytest.approx(expected.spread or 0.0, rel=0.1)
        # Within half a second nothing can be said.
        await bench.store.beat(claim.lease, advance(claim.chunk, ["ok"] * 200))
        assert (await live(bench.store, job)).rate == found.rate
    await redis.aclose()
