"""What the Redis store leaves in Redis: nothing that grows, nothing that expires too soon, one end for each job."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from kaboom.drivers.redis.client import Redis, connect_redis
from kaboom.errors import StoreError
from kaboom.jobs.model import Job, Tally
from kaboom.jobs.redis import keys
from kaboom.jobs.redis.events import Feed, FeedKey, RedisEventLog
from kaboom.jobs.redis.redis_store import RedisJobStore
from kaboom.jobs.redis.store import Ending
from tests.fixtures.jobs.job_steps import claimed, end, planned
from tests.fixtures.jobs.jobs import QUEUE, finish, make_chunk, make_job, plan_step, ref_of

pytestmark = pytest.mark.anyio

DAY_S = 86_400


async def complete(store: RedisJobStore) -> Job:
    job = await planned(store, make_chunk(0), make_chunk(1))
    claim = await claimed(store, ref_of(job, 0))
    for _ in range(3):
        await store.end(claim.lease, Ending.DONE, finish(claim.chunk))
    await end(store, ref_of(job, 1), ["ok"] * 4)
    return job


async def die(store: RedisJobStore) -> Job:
    job = await planned(store, make_chunk(0))
    for _ in range(3):
        await end(store, ref_of(job, 0), [], Ending.BROKEN)
    return job


async def be_cancelled(store: RedisJobStore) -> Job:
    job = await planned(store, make_chunk(0), make_chunk(1))
    claim = await claimed(store, ref_of(job, 0))
    await store.cancel(QUEUE, job.job_id)
    await store.end(claim.lease, Ending.RELEASED, Tally())
    return job


async def fail(store: RedisJobStore) -> Job:
    job = make_job()
    await store.put(job, [plan_step()])
    await store.fail((await claimed(store, ref_of(job))).lease, {"type": "x", "message": "y"})
    return job


@pytest.mark.parametrize("come_to_an_end", [complete, die, be_cancelled, fail])
async def test_a_final_job_waits_nowhere_has_one_end_and_expires(
    store: RedisJobStore, redis: Redis, come_to_an_end: Callable[[RedisJobStore], Awaitable[Job]]
) -> None:
    job = await come_to_an_end(store)
    (ended,) = await store.load(QUEUE, [job.job_id])
    assert ended
    assert await store.mark_settled(ended)
    for waiting in (keys.active(QUEUE), keys.dispatch(QUEUE), keys.leases(QUEUE), keys.retries(QUEUE)):
        assert await redis.zcard(waiting) == 0, waiting
    events: Any = await redis.xrange(keys.events(QUEUE, job.job_id))
    ends = [fields["d"] for _, fields in events if fields["t"] == "status"]
    assert len([status for status in ends if status in {"completed", "partial", "failed", "cancelled"}]) == 1
    assert ends[-1] == await redis.hget(keys.job(QUEUE, job.job_id), "status")
    assert 29 * DAY_S < await redis.ttl(keys.job(QUEUE, job.job_id)) <= 30 * DAY_S
    await RedisEventLog(redis).write_lines({FeedKey(QUEUE, job.job_id, Feed.LINES): ["a line that came late"]})
    for short in (keys.chunks(QUEUE, job.job_id), keys.events(QUEUE, job.job_id), keys.logs(QUEUE, job.job_id)):
        assert 6 * DAY_S < await redis.ttl(short) <= 7 * DAY_S


async def test_a_log_expires_with_its_job_and_is_dropped_with_it(store: RedisJobStore, redis: Redis) -> None:
    job = await planned(store, make_chunk(0))
    lines, key = RedisEventLog(redis), keys.logs(QUEUE, job.job_id)
    await lines.write_lines({FeedKey(QUEUE, job.job_id, Feed.LINES): ["while it ran"]})
    assert await redis.ttl(key) == -1
    await store.cancel(QUEUE, job.job_id)
    assert 6 * DAY_S < await redis.ttl(key) <= 7 * DAY_S
    await store.forget(QUEUE, job.job_id)
    await lines.write_lines({FeedKey(QUEUE, job.job_id, Feed.LINES): ["too late"]})
    assert await redis.keys("*:logs") == []


async def test_a_forgotten_job_leaves_no_key_and_others_wait_on(store: RedisJobStore, redis: Redis) -> None:
    jobs = [await planned(store, *(make_chunk(n) for n in range(4))) for _ in range(2)]
    for job in jobs:
        await claimed(store, ref_of(job, 0))
        waiting = await claimed(store, ref_of(job, 1))
        await store.end(waiting.lease, Ending.WAITING, waiting.chunk.tally, error="away", pause_s=60.0)
        await end(store, ref_of(job, 2), ["ok"] * 4)

    async def waiting_for(job: Job) -> list[list[str]]:
        sets = [cast("list[str]", await redis.zrange(key(QUEUE), 0, -1)) for key in (keys.dispatch, keys.leases)]
        sets += [cast("list[str]", await redis.zrange(key(QUEUE), 0, -1)) for key in (keys.retries, keys.active)]
        return [sorted(each for each in found if job.job_id in each) for found in sets]

    before = await waiting_for(jobs[1])
    assert all(before), before
    await store.forget(QUEUE, jobs[0].job_id)
    assert await waiting_for(jobs[0]) == [[], [], [], []]
    assert [key for key in await redis.keys("*") if jobs[0].job_id in key] == []
    assert await waiting_for(jobs[1]) == before
    assert await store.newest(QUEUE) == [jobs[1].job_id]


async def test_a_log_is_bounded(store: RedisJobStore, redis: Redis) -> None:
    job = await planned(store, make_chunk(0))
    await RedisEventLog(redis).write_lines({FeedKey(QUEUE, job.job_id, Feed.LINES): [str(n) for n in range(3000)]})
    kept: Any = await redis.xrange(keys.logs(QUEUE, job.job_id))
    # Redis drops whole nodes of a stream, a hundred entries each.
    assert 1000 <= len(kept) <= 1200
    assert kept[-1][1]["d"] == "2999"


async def test_a_job_that_is_not_final_never_expires(store: RedisJobStore, redis: Redis) -> None:
    job = await planned(store, make_chunk(0))
    await claimed(store, ref_of(job, 0))
    assert [await redis.ttl(key) for key in await redis.keys("*")] == [-1] * len(await redis.keys("*"))
    assert await redis.zscore(keys.active(QUEUE), job.job_id) is not None


async def test_a_fence_of_a_claim_that_a_failover_lost_is_refused(store: RedisJobStore, redis: Redis) -> None:
    job = await planned(store, make_chunk(0))
    before: Any = await redis.dump(keys.job(QUEUE, job.job_id))
    lost = (await claimed(store, ref_of(job, 0))).lease
    await redis.restore(keys.job(QUEUE, job.job_id), 0, before, replace=True)
    await redis.hset(keys.chunks(QUEUE, job.job_id), "state:0", "queued")
    new = (await claimed(store, ref_of(job, 0))).lease
    assert int(new.fence.split(":")[0]) >= int(lost.fence.split(":")[0])
    assert new.fence != lost.fence
    assert not (await store.end(lost, Ending.RELEASED, Tally())).is_accepted


async def test_an_unavailable_redis_is_a_store_error() -> None:
    store = RedisJobStore(connect_redis("redis://127.0.0.1:1/0", client_name="test"))
    with pytest.raises(StoreError, match="Redis did not answer") as caught:
        await store.ping()
    assert caught.value.retryable
    with pytest.raises(StoreError):
        await store.put(make_job(), [plan_step()])
    await store.close()


async def test_a_redis_that_has_lost_the_scripts_gets_them_again(store: RedisJobStore, redis: Redis) -> None:
    jobs = [make_job() for _ in range(3)]
    await redis.script_flush()
    assert await asyncio.gather(*(store.put(job, [plan_step()]) for job in jobs)) == [True] * 3
    assert await asyncio.gather(*(store.put(job, [plan_step()]) for job in jobs)) == [False] * 3


async def test_a_recent_write_replaces_a_ping(redis: Redis, store: RedisJobStore) -> None:
    async def pings() -> int:
        return int((await redis.info("commandstats")).get("cmdstat_ping", {}).get("calls", 0))

    before = await pings()
    await store.put(make_job(), [plan_step()])
    await store.ping(fresh_s=60)
    assert await pings() == before
    await store.ping()
    assert await pings() == before + 1
