"""What happens to a job is told once and in order, by both stores; a hub fans it out to any number of watchers."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

import pytest

from kaboom.drivers.redis.client import connect_redis
from kaboom.errors import InvalidRequest
from kaboom.jobs.api.sse import is_last
from kaboom.jobs.model import Job
from kaboom.jobs.redis.events import START, EventHub, EventLog, Feed, FeedKey, JobEvent, RedisEventLog, parse_event_id
from kaboom.jobs.redis.memory import MemoryJobStore
from kaboom.jobs.redis.redis_store import RedisJobStore
from kaboom.jobs.redis.store import Claim, Ending, JobStore
from tests.fixtures.jobs.jobs import advance, make_chunk, make_job, plan_step, ref_of

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Twin:
    """A job store and the log of its events."""

    store: JobStore
    log: EventLog


@pytest.fixture(params=["memory", "redis"])
async def twin(request: pytest.FixtureRequest) -> AsyncIterator[Twin]:
    if request.param == "memory":
        store = MemoryJobStore()
        yield Twin(store, store.events)
        return
    redis = connect_redis(request.getfixturevalue("redis_url"), client_name="test")
    await redis.flushdb()
    yield Twin(RedisJobStore(redis), RedisEventLog(redis))
    await redis.aclose()


@pytest.fixture
async def hub(twin: Twin) -> AsyncIterator[EventHub]:
    made = EventHub(twin.log)
    running = asyncio.create_task(made.run())
    yield made
    running.cancel()


async def begin(twin: Twin) -> Job:
    job = make_job()
    await twin.store.put(job, [plan_step()])
    return job


async def finish(twin: Twin, job: Job) -> None:
    """Plan a job into one chunk and run it."""
    chunk = make_chunk(0, 2)
    planning = await twin.store.claim(ref_of(job), owner="w")
    assert isinstance(planning, Claim)
    await twin.store.set_plan(planning.lease, {}, [chunk])
    claim = await twin.store.claim(ref_of(job, 0), owner="w")
    assert isinstance(claim, Claim)
    await twin.store.end(claim.lease, Ending.DONE, advance(chunk, ["ok", "ok"]))


async def watch(hub: EventHub, job: Job, after: str = START) -> list[JobEvent]:
    """Return the events of a job up to its last."""
    events = []
    async for event in hub.watch(job.queue, job.job_id, after=after):
        assert event is not None
        events.append(event)
        if is_last(event):
            break
    return events


def statuses(events: list[JobEvent]) -> list[str]:
    return [event.data for event in events if event.kind == "status"]


def line_key(job: Job) -> FeedKey:
    return FeedKey(job.queue, job.job_id, Feed.LINES)


async def lines_of(twin: Twin, job: Job, after: str = START) -> list[JobEvent]:
    return await twin.log.read(job.queue, job.job_id, after=after, feed=Feed.LINES)


class TestLog:
    async def test_a_job_tells_its_states_in_order(self, twin: Twin) -> None:
        job = await begin(twin)
        await finish(twin, job)
        events = await twin.log.read(job.queue, job.job_id, after=START)
        assert statuses(events) == ["queued", "running", "completed"]
        ids = [parse_event_id(event.event_id) for event in events]
        assert ids == sorted(set(ids))

    async def test_a_cancelled_job_ends_with_cancelled(self, twin: Twin) -> None:
        job = await begin(twin)
        await twin.store.cancel(job.queue, job.job_id)
        events = await twin.log.read(job.queue, job.job_id, after=START)
        assert statuses(events) == ["queued", "cancelling", "cancelled"]

    async def test_reading_on_leaves_out_what_was_seen(self, twin: Twin) -> None:
        job = await begin(twin)
        await finish(twin, job)
        events = await twin.log.read(job.queue, job.job_id, after=START)
        assert await twin.log.read(job.queue, job.job_id, after=events[0].event_id) == events[1:]
        assert await twin.log.read(job.queue, job.job_id, after=events[-1].event_id) == []

    async def test_an_unknown_or_forgotten_job_tells_nothing(self, twin: Twin) -> None:
        job = await begin(twin)
        await twin.store.forget(job.queue, job.job_id)
        assert await twin.log.read(job.queue, job.job_id, after=START) == []
        assert await twin.log.read(job.queue, "0" * 32, after=START) == []

    async def test_waiting_tells_of_the_jobs_that_something_happened_to(self, twin: Twin) -> None:
        one, other = await begin(twin), await begin(twin)
        keys = [FeedKey(job.queue, job.job_id) for job in (one, other)]
        last = {key: (await twin.log.read(key.queue, key.job_id, after=START))[-1].event_id for key in keys}
        assert await twin.log.wait(last, timeout_ms=10) == {}
        waiting = asyncio.create_task(twin.log.wait(last, timeout_ms=5_000))
        await asyncio.sleep(0)
        await twin.store.cancel(keys[1].queue, keys[1].job_id)
        found = await waiting
        assert set(found) == {keys[1]}


class TestLines:
    async def test_lines_are_a_feed_of_their_own_in_order(self, twin: Twin) -> None:
        one, other = await begin(twin), await begin(twin)
        await twin.log.write_lines({line_key(one): ["a", "b"], line_key(other): ["x"]})
        await twin.log.write_lines({line_key(one): ["c"]})
        lines = await lines_of(twin, one)
        assert [line.data for line in lines] == ["a", "b", "c"]
        assert {line.kind for line in lines} == {"line"}
        assert [line.data for line in await lines_of(twin, one, after=lines[1].event_id)] == ["c"]
        assert statuses(await twin.log.read(one.queue, one.job_id, after=START)) == ["queued"]

    async def test_a_job_that_is_not_live_gets_none(self, twin: Twin) -> None:
        job, unknown = await begin(twin), make_job()
        await twin.log.write_lines({line_key(job): ["a"]})
        await twin.store.forget(job.queue, job.job_id)
        await twin.log.write_lines({line_key(job): ["b"], line_key(unknown): ["c"]})
        assert await lines_of(twin, job) == []
        assert await lines_of(twin, unknown) == []

    async def test_the_newest_are_kept(self, twin: Twin) -> None:
        job = await begin(twin)
        await twin.log.write_lines({line_key(job): [str(n) for n in range(2500)]})
        kept = [int(line.data) for line in await lines_of(twin, job)]
        assert kept == list(range(kept[0], 2500))
        assert 1000 <= len(kept) < 1500

    async def test_waiting_tells_events_and_lines_apart(self, twin: Twin) -> None:
        job = await begin(twin)
        waiting = asyncio.create_task(twin.log.wait({line_key(job): START}, timeout_ms=5_000))
        await asyncio.sleep(0)
        await twin.store.cancel(job.queue, job.job_id)
        await twin.log.write_lines({line_key(job): ["a"]})
        found = await waiting
        assert [line.data for line in found[line_key(job)]] == ["a"]

    async def test_a_hub_gives_lines_and_events_to_those_who_asked_for_them(self, twin: Twin, hub: EventHub) -> None:
        job = await begin(twin)
        events = asyncio.create_task(watch(hub, job))
        await twin.log.write_lines({line_key(job): ["before"]})
        seen = []
        async for line in hub.watch(job.queue, job.job_id, feed=Feed.LINES):
            assert line is not None
            seen.append(line.data)
            if line.data == "after":
                break
            await twin.log.write_lines({line_key(job): ["after"]})
        await finish(twin, job)
        assert seen == ["before", "after"]
        assert statuses(await events) == ["queued", "running", "completed"]


class TestHub:
    async def test_who_watches_from_the_start_and_who_comes_late_see_the_same(self, twin: Twin, hub: EventHub) -> None:
        job = await begin(twin)
        early = asyncio.create_task(watch(hub, job))
        await finish(twin, job)
        assert await early == await watch(hub, job) == await twin.log.read(job.queue, job.job_id, after=START)

    async def test_who_comes_back_misses_nothing_and_sees_nothing_twice(self, twin: Twin, hub: EventHub) -> None:
        job = await begin(twin)
        seen: list[JobEvent] = []
        async for event in hub.watch(job.queue, job.job_id):
            assert event is not None
            seen.append(event)
            break
        await finish(twin, job)
        rest = await watch(hub, job, after=seen[-1].event_id)
        assert seen + rest == await twin.log.read(job.queue, job.job_id, after=START)

    async def test_silence_is_a_ping(self, twin: Twin, hub: EventHub) -> None:
        job = await begin(twin)
        last = (await twin.log.read(job.queue, job.job_id, after=START))[-1].event_id
        async for event in hub.watch(job.queue, job.job_id, after=last, ping_s=0.01):
            assert event is None
            break

    async def test_two_hundred_watchers_are_one_reader(self, twin: Twin) -> None:
        counted = _Counting(twin.log)
        hub = EventHub(counted)
        running = asyncio.create_task(hub.run())
        job = await begin(twin)
        watchers = [asyncio.create_task(watch(hub, job)) for _ in range(200)]
        await finish(twin, job)
        seen = await asyncio.gather(*watchers)
        running.cancel()
        assert counted.most_at_once == 1
        assert {tuple(events) for events in seen} == {tuple(await twin.log.read(job.queue, job.job_id, after=START))}


@pytest.mark.parametrize(
    "text", ["", "x", "1", "1-", "-1", "1-2-3", "\u0661-0", "9" * 42 + "-0", f"{2**64}-0", f"0-{2**64}"]
)
def test_an_id_is_two_numbers(text: str) -> None:
    with pytest.raises(InvalidRequest, match="Last-Event-ID"):
        parse_event_id(text)


class _Counting:
    """An event log that counts how many wait on it at once."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._now = 0
        self.most_at_once = 0

    async def read(self, queue: str, job_id: str, *, after: str, feed: Feed = Feed.EVENTS) -> list[JobEvent]:
        return await self._log.read(queue, job_id, after=after, feed=feed)

    async def find_span(self, key: FeedKey) -> tuple[str, str] | None:
        return await self._log.find_span(key)

    async def write_lines(self, lines: Mapping[FeedKey, Sequence[str]]) -> None:
        await self._log.write_lines(lines)

    async def wait(self, after: Mapping[FeedKey, str], *, timeout_ms: int) -> dict[FeedKey, list[JobEvent]]:
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            return await self._log.wait(after, timeout_ms=timeout_ms)
        finally:
            self._now -= 1


async def test_changes_of_all_jobs_are_one_feed(twin: Twin) -> None:
    changes = FeedKey("", "", Feed.CHANGES)
    assert await twin.log.find_span(changes) is None
    jobs = [await begin(twin) for _ in range(2)]
    await finish(twin, jobs[0])
    told = await twin.log.read("", "", after=START, feed=Feed.CHANGES)
    assert [event.data for event in told[:2]] == [f"{job.queue}:job:{job.job_id}" for job in jobs]
    assert {event.kind for event in told} == {"status", "progress"}
    assert await twin.log.find_span(changes) == (told[0].event_id, told[-1].event_id)
    (found,) = (await twin.log.wait({changes: told[-2].event_id}, timeout_ms=100)).values()
    assert found == told[-1:]
    # What a job has told stays a change when the job is forgotten.
    await twin.store.forget(jobs[0].queue, jobs[0].job_id)
    assert await twin.log.read("", "", after=START, feed=Feed.CHANGES) == told
