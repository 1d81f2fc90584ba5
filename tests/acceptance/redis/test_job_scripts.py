"""The Lua scripts that change live jobs, each rule of the prelude and of a claim for itself."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from kaboom.drivers.redis.client import Redis
from kaboom.jobs.model import PLAN, ChunkState, Job, JobStatus, Pace, Tally, describe_failed_items, settle_status
from kaboom.jobs.redis import keys
from kaboom.jobs.redis.redis_store import RedisJobStore
from kaboom.jobs.redis.store import DISPATCH_S, LEASE_S, ChunkRef, Claim, Ending
from tests.fixtures.jobs.job_steps import claimed, end, live, planned
from tests.fixtures.jobs.jobs import QUEUE, advance, finish, make_chunk, make_job, plan_step, ref_of

pytestmark = pytest.mark.anyio
DAY_S = 86_400


async def now_ms(redis: Redis) -> int:
    seconds, micros = await redis.time()
    return int(seconds * 1000 + micros // 1000)


# redis-py annotates answers for text and bytes at once.
async def write(redis: Any, job: Job, **fields: float | str) -> None:
    """Set fields of a job's record; a number is milliseconds from now."""
    now = await now_ms(redis)
    values = {name: text if isinstance(text, str) else round(now + text) for name, text in fields.items()}
    await redis.hset(keys.job(QUEUE, job.job_id), mapping=values)


async def read(redis: Any, job: Job, name: str) -> str | None:
    found: str | None = await redis.hget(keys.job(QUEUE, job.job_id), name)
    return found


async def read_chunk(redis: Any, job: Job, name: str) -> str | None:
    found: str | None = await redis.hget(keys.chunks(QUEUE, job.job_id), name)
    return found


class TestRate:
    async def test_the_first_sample_is_the_rate(self, redis: Redis, store: RedisJobStore) -> None:
        job = await planned(store, make_chunk(0))
        claim = await claimed(store, ref_of(job, 0))
        await write(redis, job, rate_at=-10_000.0, rate_settled="0")
        await store.beat(claim.lease, finish(claim.chunk))
        assert (await live(store, job)).rate == pytest.approx(0.4, rel=0.1)
        assert await read(redis, job, "rate_settled") == "4"

    async def test_a_later_sample_is_smoothed_as_in_python(self, redis: Redis, store: RedisJobStore) -> None:
        job = await planned(store, make_chunk(0))
        claim = await claimed(store, ref_of(job, 0))
        await write(redis, job, rate_at=-10_000.0, rate_settled="1", rate="2", rate_spread="50")
        await store.beat(claim.lease, finish(claim.chunk))
        found, wanted = await live(store, job), Pace(2.0, 50.0).after(3, 10.0)
        assert found.rate == pytest.approx(wanted.rate, rel=0.1)
        assert found.rate_spread == pytest.approx(wanted.spread, rel=0.1)

    async def test_a_sample_of_a_moment_is_none(self, redis: Redis, store: RedisJobStore) -> None:
        job = await planned(store, make_chunk(0))
        claim = await claimed(store, ref_of(job, 0))
        # Ahead of time: however long the call takes on a busy machine.
        await write(redis, job, rate_at=60_000.0, rate_settled="0")
        await store.beat(claim.lease, finish(claim.chunk))
        assert (await live(store, job)).rate is None
        assert await read(redis, job, "rate_settled") == "0"

    @pytest.mark.parametrize(
        ("paused_until", "rate_at", "is_new"),
        [
            (-100.0, -300_000.0, True),  # a pause of five minutes is over
            (60_000.0, -300_000.0, False),  # it is not over: another chunk is
            (-300_000.0, -1000.0, False),  # it ended before the last sample
        ],
    )
    async def test_the_time_of_a_providers_pause_does_not_count(
        self, redis: Redis, store: RedisJobStore, paused_until: float, rate_at: float, *, is_new: bool
    ) -> None:
        job = await planned(store, make_chunk(0), make_chunk(1))
        await end(store, ref_of(job, 0), ["ok", "ok", "ok", "invalid"])
        await write(redis, job, paused_until=paused_until, rate_at=rate_at, rate_settled="1")
        before = await now_ms(redis)
        claim = await claimed(store, ref_of(job, 1))
        began_at, settled = int(await read(redis, job, "rate_at") or 0), await read(redis, job, "rate_settled")
        assert (began_at >= before, settled) == ((True, "4") if is_new else (False, "1"))
        if is_new:
            await write(redis, job, rate_at=-10_000.0)
            await store.beat(claim.lease, finish(claim.chunk))
            assert (await live(store, job)).rate == pytest.approx(0.4, rel=0.1)

    async def test_a_restored_job_begins_to_measure_at_its_first_claim(
        self, redis: Redis, store: RedisJobStore
    ) -> None:
        whole = make_chunk(0)
        done = make_chunk(0, state=ChunkState.DONE, tally=finish(whole))
        job = make_job(status=JobStatus.RUNNING, plan={})
        await store.put(job, [plan_step(ChunkState.DONE), done, make_chunk(1)])
        before = await now_ms(redis)
        await claimed(store, ref_of(job, 1))
        assert int(await read(redis, job, "rate_at") or 0) >= before
        assert await read(redis, job, "rate_settled") == "4"


class TestClaim:
    async def test_the_same_call_again_holds_the_same_claim(self, redis: Redis, store: RedisJobStore) -> None:
        job = await planned(store, make_chunk(0))
        ref = ref_of(job, 0)
        first = await store._run("claim", ref, ref.job_id, "0", "w1", 15_000, "nonce")
        again = await store._run("claim", ref, ref.job_id, "0", "w1", 15_000, "nonce")
        assert first == again
        assert first[0] == "ok"
        assert await store._run("claim", ref, ref.job_id, "0", "w1", 15_000, "other") == ["busy"]
        assert await read_chunk(redis, job, "attempts:0") == "1"

    async def test_a_fence_grows_even_if_the_clock_goes_back(self, redis: Redis, store: RedisJobStore) -> None:
        job = await planned(store, make_chunk(0))
        await write(redis, job, fence=3_600_000.0)
        last = int(await read(redis, job, "fence") or 0)
        claim = await claimed(store, ref_of(job, 0))
        number, _, nonce = claim.lease.fence.partition(":")
        assert int(number) == last + 1
        assert len(nonce) == 8
        assert await read(redis, job, "fence") == number

    async def test_it_leases_the_chunk_and_nobody_waits_for_it_any_more(
        self, redis: Redis, store: RedisJobStore
    ) -> None:
        job = await planned(store, make_chunk(0))
        member = f"{job.job_id}|0"
        due_ms = float(await redis.zscore(keys.dispatch(QUEUE), member) or 0) - await now_ms(redis)
        assert 0 < due_ms <= DISPATCH_S * 1000
        await claimed(store, ref_of(job, 0))
        left_ms = float(await redis.zscore(keys.leases(QUEUE), member) or 0) - await now_ms(redis)
        assert 0 < left_ms <= LEASE_S * 1000
        assert await redis.zscore(keys.dispatch(QUEUE), member) is None
        await end(store, ref_of(await planned(store, make_chunk(0)), 0), [], Ending.BROKEN)
        assert await redis.zcard(keys.retries(QUEUE)) == 1

    async def test_a_chunk_that_was_retried_is_not_sent_again(self, redis: Redis, store: RedisJobStore) -> None:
        job = await planned(store, make_chunk(0))
        await end(store, ref_of(job, 0), [], Ending.RELEASED)
        assert await redis.zcard(keys.retries(QUEUE)) == 1
        await claimed(store, ref_of(job, 0))
        assert await redis.zcard(keys.retries(QUEUE)) == 0

    async def test_a_chunk_of_an_ended_job_is_not_sent_again(self, redis: Redis, store: RedisJobStore) -> None:
        job = await planned(store, make_chunk(0))
        await end(store, ref_of(job, 0), ["ok"] * 4)
        # A failover has lost its removal.
        await redis.zadd(keys.retries(QUEUE), {f"{job.job_id}|0": 0})
        assert await store.take_retries(QUEUE) == []
        assert await redis.zcard(keys.retries(QUEUE)) == 0

    async def test_a_cancelled_job_hands_out_nothing_more(self, redis: Redis, store: RedisJobStore) -> None:
        job = await planned(store, make_chunk(0))
        await write(redis, job, cancel="1")
        assert not isinstance(await store.claim(ref_of(job, 0), owner="w1"), Claim)


class TestCounts:
    async def test_an_outcome_that_a_later_tally_lacks_is_taken_back(self, redis: Redis, store: RedisJobStore) -> None:
        job = await planned(store, make_chunk(0))
        claim = await claimed(store, ref_of(job, 0))
        await store.beat(claim.lease, Tally(cursor=2, done=1, failed=1, outcomes={"ok": 1, "invalid": 1}, cause="a"))
        await store.beat(claim.lease, Tally(cursor=2, done=2, outcomes={"ok": 2}, counts={"flag": 3}, cause="b"))
        found = await live(store, job)
        assert (found.done, found.failed, found.outcomes, found.counts) == (2, 0, {"ok": 2}, {"flag": 3})
        assert await read(redis, job, "cause") == "a"

    async def test_the_rest_of_a_dead_chunk_is_lost_with_its_cause(self, redis: Redis, store: RedisJobStore) -> None:
        job = make_job(lost_item="write_failed")
        await store.put(job, [plan_step()])
        claim = await claimed(store, ref_of(job))
        await store.set_plan(claim.lease, {}, [make_chunk(0), make_chunk(1, 1)])
        claim = await claimed(store, ref_of(job, 0))
        await store.end(claim.lease, Ending.FAILED, advance(claim.chunk, ["ok"]), error="KeyError: 'x'")
        found = await live(store, job)
        assert (found.dead, found.failed, found.outcomes) == (1, 3, {"ok": 1, "write_failed": 3})
        assert await read(redis, job, "dead_cause") == "given up after 1 attempt: KeyError: 'x'"

    async def test_the_first_of_two_dead_chunks_is_told_as_the_cause(self, redis: Redis, store: RedisJobStore) -> None:
        job = await planned(store, make_chunk(0), make_chunk(1))
        for n, error in enumerate(("disk full", "out of memory")):
            claim = await claimed(store, ref_of(job, n))
            await store.end(claim.lease, Ending.FAILED, claim.chunk.tally, error=error)
        assert await read(redis, job, "dead_cause") == "given up after 1 attempt: disk full"
        told = (await live(store, job)).error
        assert told
        assert told["message"].endswith("; first cause: given up after 1 attempt: disk full")

    async def test_a_chunk_ends_once(self, store: RedisJobStore) -> None:
        job = await planned(store, make_chunk(0), make_chunk(1))
        claim = await claimed(store, ref_of(job, 0))
        await store.end(claim.lease, Ending.DONE, finish(claim.chunk))
        assert not (await store.end(claim.lease, Ending.FAILED, finish(claim.chunk), error="late")).is_accepted
        found = await live(store, job)
        assert (found.chunks_done, found.dead, found.failed) == (1, 0, 0)


class TestEnd:
    @pytest.mark.parametrize(
        ("outcomes", "is_cancelled"),
        [
            (["ok", "ok"], False), (["no_trades", "ok"], False), (["ok", "invalid"], False),
            (["invalid", "no_trades"], False), (["ok", "invalid"], True),
        ],
    )  # fmt: skip
    async def test_a_job_ends_as_python_says(
        self, redis: Redis, store: RedisJobStore, outcomes: Sequence[str], *, is_cancelled: bool
    ) -> None:
        job = await planned(store, make_chunk(0, 2))
        claim = await claimed(store, ref_of(job, 0))
        tally = advance(claim.chunk, outcomes)
        if is_cancelled:
            await write(redis, job, cancel="1")
        assert (await store.end(claim.lease, Ending.DONE, tally)).is_final
        found = await live(store, job)
        assert found.status is settle_status(written=tally.written, failed=tally.failed, is_cancelled=is_cancelled)
        wanted = describe_failed_items(failed=tally.failed, total=2, cause=tally.cause)
        assert found.error == (wanted if tally.failed and not is_cancelled else None)
        assert found.completed_at is not None

    async def test_a_final_job_stays_for_a_month_and_its_chunks_for_a_week(
        self, redis: Redis, store: RedisJobStore
    ) -> None:
        job = await planned(store, make_chunk(0))
        assert await redis.ttl(keys.job(QUEUE, job.job_id)) == -1
        await redis.xadd(keys.logs(QUEUE, job.job_id), {"level": "info"})
        await end(store, ref_of(job, 0), ["ok"] * 4)
        days = {"job": 30, "chunks": 7, "events": 7, "logs": 7}
        for name, kept in days.items():
            left_s = await redis.ttl(getattr(keys, name)(QUEUE, job.job_id))
            assert kept * DAY_S - 60 < left_s <= kept * DAY_S, name

    async def test_a_job_with_a_running_plan_step_does_not_end(self, store: RedisJobStore) -> None:
        job = make_job(status=JobStatus.RUNNING)
        whole = make_chunk(0)
        await store.put(job, [plan_step(), make_chunk(0, state=ChunkState.DONE, tally=finish(whole))])
        claim = await claimed(store, ref_of(job))
        assert (await live(store, job)).status is JobStatus.RUNNING
        await store.set_plan(claim.lease, {}, [])
        assert (await live(store, job)).status is JobStatus.COMPLETED


class TestEvents:
    async def told(self, redis: Any, job: Job) -> list[tuple[str, str]]:
        entries = await redis.xrange(keys.events(QUEUE, job.job_id))
        return [(fields["t"], fields["d"]) for _, fields in entries]

    async def test_each_change_of_status_is_told_to_the_job_and_to_all(self, redis: Any, store: RedisJobStore) -> None:
        job = await planned(store, make_chunk(0))
        await end(store, ref_of(job, 0), ["ok"] * 4)
        statuses = [data for kind, data in await self.told(redis, job) if kind == "status"]
        assert statuses == ["queued", "running", "completed"]
        changes = [fields for _, fields in await redis.xrange(keys.CHANGES)]
        assert {fields["d"] for fields in changes} == {keys.job(QUEUE, job.job_id)}
        assert [fields["t"] for fields in changes] == [kind for kind, _ in await self.told(redis, job)]

    async def test_a_repeated_cancel_is_told_once(self, redis: Any, store: RedisJobStore) -> None:
        job = await planned(store, make_chunk(0))
        await claimed(store, ref_of(job, 0))
        for _ in range(2):
            await store.cancel(QUEUE, job.job_id)
        assert [data for _, data in await self.told(redis, job)].count("cancelling") == 1

    async def test_progress_is_told_twice_a_second_at_most(self, redis: Any, store: RedisJobStore) -> None:
        job = await planned(store, make_chunk(0))
        claim = await claimed(store, ref_of(job, 0))

        async def progress() -> list[str]:
            return [data for kind, data in await self.told(redis, job) if kind == "progress"]

        await write(redis, job, event_at=60_000.0)
        await store.beat(claim.lease, advance(claim.chunk, ["ok"]))
        assert await progress() == ["0/0/4"]
        await write(redis, job, event_at=-500.0)
        await store.beat(claim.lease, advance(claim.chunk, ["ok", "invalid"]))
        assert await progress() == ["0/0/4", "1/1/4"]

    async def test_a_pause_is_told_when_it_moves_by_more_than_a_second(self, redis: Any, store: RedisJobStore) -> None:
        job = await planned(store, *(make_chunk(n) for n in range(5)))
        for n, pause_s in enumerate([1.0, 300.0, 300.0, 60.0, 3600.0]):
            claim = await claimed(store, ref_of(job, n))
            if n == 2:
                # Of the same pause, some milliseconds later.
                await write(redis, job, paused_until=299_990.0)
            await store.end(claim.lease, Ending.RELEASED, Tally(), error=f"pause {n}", pause_s=pause_s)
        ends = [int(data) for kind, data in await self.told(redis, job) if kind == "paused"]
        found = await live(store, job)
        assert len(ends) == 2
        assert 3200 < (ends[1] - ends[0]) / 1000 < 3400
        assert (found.pause_reason, await read(redis, job, "paused_until")) == ("pause 4", str(ends[1]))


class TestDue:
    async def test_a_message_that_is_due_and_not_old_waits_behind_a_backlog(
        self, redis: Redis, store: RedisJobStore
    ) -> None:
        job = await planned(store, make_chunk(0))
        ref = ref_of(job, 0)
        await redis.zadd(keys.dispatch(QUEUE), {f"{ref.job_id}|{ref.n}": await now_ms(redis) - 60_000}, xx=True)
        assert await store.take_due(QUEUE, older_than_s=600) == []
        assert await store.take_due(QUEUE, older_than_s=30) == [ref]
        # Taken once, it is put off.
        assert await store.take_due(QUEUE) == []


class TestRetry:
    @pytest.mark.parametrize(("pause_s", "waits_ms"), [(0.0, (1000, 2000)), (300.0, (300_000, 300_000))])
    async def test_a_broken_chunk_waits_longer_each_time_and_not_less_than_a_pause(
        self, redis: Any, store: RedisJobStore, pause_s: float, waits_ms: Sequence[int]
    ) -> None:
        job = await planned(store, make_chunk(0))
        for wait_ms in waits_ms:
            claim = await claimed(store, ref_of(job, 0))
            before = await now_ms(redis)
            await store.end(claim.lease, Ending.BROKEN, Tally(), error="boom", pause_s=pause_s)
            after = await now_ms(redis)
            due_ms = float(await redis.zscore(keys.retries(QUEUE), f"{job.job_id}|0") or 0)
            assert before + wait_ms <= due_ms <= after + wait_ms

    async def test_a_plan_that_was_given_up_fails_its_job_with_the_cause(self, store: RedisJobStore) -> None:
        job = make_job()
        await store.put(job, [plan_step()])
        for _ in range(3):
            claim = await claimed(store, ChunkRef(QUEUE, job.job_id, PLAN))
            await store.end(claim.lease, Ending.BROKEN, Tally(), error='a "b" \\ 日本')
        found = await live(store, job)
        assert (found.status, found.error) == (
            JobStatus.FAILED, {"type": "plan_failed", "message": 'a "b" \\ 日本'}
        )  # fmt: skip


async def test_the_runs_in_redis_are_json_that_python_reads(redis: Any, store: RedisJobStore) -> None:
    job = await planned(store, make_chunk(0))
    claim = await claimed(store, ref_of(job, 0), "w1/2:7")
    await store.end(claim.lease, Ending.RELEASED, advance(claim.chunk, ["ok", "invalid"]), error="stop", pause_s=5)
    (run,) = orjson.loads(await read_chunk(redis, job, "runs:0") or "[]")
    assert run["paused_until"] == run["ended_at"] + 5000
    del run["started_at"], run["ended_at"], run["paused_until"]
    counts = {"run": 1, "settled_before": 0, "failed_before": 0, "settled": 2, "failed": 1}
    assert run == counts | {"worker": "w1/2:7", "ending": "released", "reason": "stop"}


async def test_a_job_put_again_after_its_record_is_gone_is_listed_once(redis: Redis, store: RedisJobStore) -> None:
    jobs = [await planned(store, make_chunk(0)) for _ in range(2)]
    await redis.delete(keys.job(QUEUE, jobs[0].job_id))
    assert await store.put(jobs[0], [plan_step()])
    listed: Any = redis.lrange(keys.newest(QUEUE), 0, -1)
    assert await listed == [job.job_id for job in jobs]
