"""The rate of a job in Redis follows `Pace.after`, by times that the test moves."""

from dataclasses import replace

import pytest

from kaboom.drivers.redis.client import connect_redis
from kaboom.jobs.model import ChunkState, JobStatus, Pace
from kaboom.jobs.redis import keys
from kaboom.jobs.redis.store import Ending
from tests.fixtures.jobs.job_steps import claimed, live, planned
from tests.fixtures.jobs.job_stores import redis_bench
from tests.fixtures.jobs.jobs import QUEUE, advance, finish, make_chunk, make_job, plan_step, ref_of

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


async def test_the_rate_counts_neither_restored_items_nor_the_time_of_a_pause(redis_url: str) -> None:
    redis = connect_redis(redis_url, client_name="test")

    async def move(name: str, *, by_ms: int) -> None:
        """Set a time of the job's hash to so many milliseconds from now."""
        now_s, micros = await redis.time()
        await redis.hset(keys.job(QUEUE, job.job_id), name, str(now_s * 1000 + micros // 1000 + by_ms))

    async with redis_bench(redis_url) as bench:
        whole = make_chunk(0)
        done = replace(whole, state=ChunkState.DONE, tally=finish(whole))
        job = make_job(status=JobStatus.RUNNING, plan={})
        await bench.store.put(job, [plan_step(ChunkState.DONE), done, make_chunk(1, 200), make_chunk(2)])
        claim = await claimed(bench.store, ref_of(job, 1))
        await move("rate_at", by_ms=-10_000)
        await bench.store.beat(claim.lease, advance(claim.chunk, ["ok"] * 20))
        pace = Pace(2.0)
        assert (await live(bench.store, job)).rate == pytest.approx(pace.rate, rel=0.05)
        tally = advance(claim.chunk, ["ok"] * 20)
        await bench.store.end(claim.lease, Ending.RELEASED, tally, error="429", pause_s=60)
        await move("rate_at", by_ms=-60_000)
        # The pause goes on: what another chunk does meanwhile is part of the same span.
        await claimed(bench.store, ref_of(job, 2))
        began = await redis.hget(keys.job(QUEUE, job.job_id), "rate_at")
        await move("paused_until", by_ms=-1)
        claim = await claimed(bench.store, ref_of(job, 1))
        assert int(await redis.hget(keys.job(QUEUE, job.job_id), "rate_at") or 0) >= int(began or 0) + 60_000
        await move("rate_at", by_ms=-10_000)
        await bench.store.beat(claim.lease, advance(claim.chunk, ["ok"] * 30))
        assert (await live(bench.store, job)).rate == pytest.approx(pace.after(30, 10.0).rate, rel=0.05)
    await redis.aclose()
