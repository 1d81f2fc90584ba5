"""The changes of all jobs as one stream: as they are now, once in half a second, resumable, and each owner's own."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx2
import orjson
import pytest
from fastapi import FastAPI

from kaboom.jobs.redis import keys
from kaboom.jobs.redis.redis_store import RedisJobStore
from kaboom.operations import feed as feeds
from kaboom.operations.feed import BATCHES_KEPT, JobFeed
from kaboom.web.services import services_of
from tests.fixtures.jobs.apps import jobs_of
from tests.fixtures.jobs.jobs import OWNER, advance
from tests.fixtures.jobs.planted import plant_final, plant_running
from tests.jobs.api.test_all_jobs import plant

pytestmark = pytest.mark.anyio
EVENTS = "/api/v1/events"


@pytest.fixture(params=["app", "real_app"])
def any_app(request: pytest.FixtureRequest) -> FastAPI:
    """The API in memory, and on a real Redis."""
    made: FastAPI = request.getfixturevalue(request.param)
    return made


def feed_of(app: FastAPI) -> JobFeed:
    return services_of(app).find(JobFeed)


class Stream:
    """A stream that is read, and what it has told."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self.chunks = chunks
        self.text = ""

    async def read(self, within_s: float = 10.0) -> str:
        """Return what comes next."""
        async with asyncio.timeout(within_s):
            more = str(await anext(self.chunks), "utf-8")
        self.text += more
        return more

    async def read_until(self, word: str, within_s: float = 10.0) -> None:
        """Read until a word has come."""
        async with asyncio.timeout(within_s):
            while word not in self.text:
                await self.read()

    @property
    def last_id(self) -> str:
        return str(re.findall(r"^id: (\S+)$", self.text, re.MULTILINE)[-1])

    @property
    def jobs(self) -> list[dict[str, Any]]:
        return [orjson.loads(data) for data in re.findall(r"^event: job\ndata: (.*)$", self.text, re.MULTILINE)]


@asynccontextmanager
async def stream(app: FastAPI, *, after: str = "", owner: str = OWNER) -> AsyncIterator[Stream]:
    async with aclosing(feed_of(app).watch(owner, after=after)) as chunks:
        opened = Stream(chunks)
        assert (await opened.read()).startswith(": changes")
        yield opened


async def test_a_change_comes_as_the_job_is_now(any_app: FastAPI) -> None:
    async with stream(any_app) as opened:
        (job_id,) = await plant(any_app, "i")
        await opened.read_until(job_id)
        (first, *_) = [job for job in opened.jobs if job["job_id"] == job_id]
        assert (first["queue"], first["task"]) == ("ingest", "ingest.run_daily")
        assert first["status"] in {"queued", "running", "failed", "completed"}
        assert set(first) == {"queue", "job_id", "task", "status", "health", "progress"}
        assert set(first["progress"]) >= {"done", "total", "failed", "eta_s", "eta_low_s", "eta_high_s"}


async def test_jobs_of_all_queues_come_and_of_other_owners_none(real_app: FastAPI) -> None:
    async with stream(real_app) as mine, stream(real_app, owner="another") as other:
        ingest, mirror = await plant(real_app, "im")
        (theirs,) = await plant(real_app, "i", owner="another")
        await mine.read_until(mirror)
        await other.read_until(theirs)
        assert {job["job_id"] for job in mine.jobs} == {ingest, mirror}
        assert {job["job_id"] for job in other.jobs} == {theirs}


async def test_changes_while_streams_are_open_come_to_their_owner_only(any_app: FastAPI) -> None:
    async with stream(any_app) as mine, stream(any_app, owner="another") as other:
        # What comes first is read from the log by each stream; from then on one reader sends to both.
        for opened, owner in ((mine, OWNER), (other, "another")):
            await opened.read_until((await plant(any_app, "m", owner=owner))[0])
        before, theirs, after = [(await plant(any_app, "m", owner=owner))[0] for owner in (OWNER, "another", OWNER)]
        await mine.read_until(after)
        await other.read_until(theirs)
        assert {before, after} <= {job["job_id"] for job in mine.jobs}
        assert theirs not in mine.text
        assert {before, after}.isdisjoint(job["job_id"] for job in other.jobs)


async def test_a_new_stream_gets_the_last_seconds(real_app: FastAPI) -> None:
    job = await plant_final(real_app, "ok")
    async with stream(real_app) as opened:
        await opened.read_until(job.job_id)
        assert opened.jobs[-1]["status"] == "completed"


async def test_many_changes_of_a_job_are_one_event(real_app: FastAPI) -> None:
    job, claim = await plant_running(real_app, size=40)
    store = jobs_of(real_app).parts.store
    assert isinstance(store, RedisJobStore)
    async with stream(real_app) as opened:
        await opened.read_until(job.job_id)
        opened.text, begun_at = "", time.monotonic()
        for settled in range(1, 41):
            # Each beat is a change: as if half a second had gone.
            await store._redis.hset(keys.job("ingest", job.job_id), "event_at", "0")
            await store.beat(claim.lease, advance(claim.chunk, ["ok"] * settled))
        while not opened.jobs or opened.jobs[-1]["progress"]["done"] < 40:
            await opened.read()
        took_s = time.monotonic() - begun_at
    assert len(opened.jobs) <= took_s / feeds.PERIOD_S + 2
    assert len(await jobs_of(real_app).parts.events.read("ingest", job.job_id, after="0-0")) > 40


async def test_a_stream_that_comes_back_misses_nothing(any_app: FastAPI) -> None:
    async with stream(any_app) as opened:
        (first,) = await plant(any_app, "m")
        await opened.read_until(first)
        last = opened.last_id
    missed = await plant(any_app, "mm")
    async with stream(any_app, after=last) as again:
        await again.read_until(missed[1])
        assert set(missed) <= {job["job_id"] for job in again.jobs}
        up_to_date = again.last_id
        (new,) = await plant(any_app, "m")
        await again.read_until(new)
    async with stream(any_app, after=up_to_date) as late:
        await late.read_until(new)


@pytest.mark.parametrize("how", ["trimmed", "lost", "too many"])
async def test_a_stream_that_missed_too_much_says_so(
    real_app: FastAPI, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stream(real_app) as opened:
        (first,) = await plant(real_app, "i")
        await opened.read_until(first)
        last = opened.last_id
    store = jobs_of(real_app).parts.store
    assert isinstance(store, RedisJobStore)
    if how == "lost":
        await store._redis.flushdb()
    await plant(real_app, "iii")
    if how == "trimmed":
        await store._redis.xtrim(keys.CHANGES, maxlen=1, approximate=False)
    if how == "too many":
        monkeypatch.setattr(feeds, "_MOST_REPLAYED", 2)
    async with stream(real_app, after=last) as again:
        assert "event: reset" in await again.read()
        (new,) = await plant(real_app, "i")
        await again.read_until(new)


async def test_pings_carry_the_last_id(any_app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "PING_S", 0.05)
    async with stream(any_app) as opened:
        await opened.read_until(": ping")
        assert opened.last_id


async def test_a_slow_stream_is_ended_and_others_go_on(real_app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "PERIOD_S", 0.0)
    async with stream(real_app) as slow, stream(real_app) as quick:
        await plant(real_app, "i")
        await slow.read()
        for _ in range(BATCHES_KEPT + 3):
            (job_id,) = await plant(real_app, "i")
            await quick.read_until(job_id)
        await slow.read_until("too slow")
        with pytest.raises(StopAsyncIteration):
            await slow.read()
        (job_id,) = await plant(real_app, "i")
        await quick.read_until(job_id)


async def test_a_stream_ends_in_time_so_that_its_caller_is_looked_at_anew(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "LONGEST_S", 0.1)
    monkeypatch.setattr(feeds, "PING_S", 0.05)
    async with stream(app) as opened:
        await opened.read_until("connect again")
        with pytest.raises(StopAsyncIteration):
            await opened.read()


async def test_without_streams_nothing_is_read_and_nothing_is_kept(real_app: FastAPI) -> None:
    async with stream(real_app) as opened:
        (job_id,) = await plant(real_app, "i")
        await opened.read_until(job_id)
        assert feed_of(real_app)._rings
    assert not feed_of(real_app)._rings
    assert not feed_of(real_app)._is_watched.is_set()


async def test_200_streams_share_their_bytes(real_app: FastAPI) -> None:
    async with stream(real_app) as first:
        streams = [feed_of(real_app).watch(OWNER) for _ in range(200)]
        opened = [Stream(each) for each in streams]
        await asyncio.gather(*(each.read() for each in opened))
        (job_id,) = await plant(real_app, "i")
        await first.read_until(job_id)
        await asyncio.gather(*(every.read_until(job_id) for every in opened))
        (job_id,) = await plant(real_app, "i")
        told = await asyncio.gather(*(anext(chunks) for chunks in streams))
        assert len({id(text) for text in told}) == 1
        for chunks in streams:
            await chunks.aclose()


@pytest.mark.parametrize("bad", ["no", "1-", f"{2**64}-0"])
async def test_an_invalid_id_is_rejected(http: httpx2.AsyncClient, bad: str) -> None:
    assert (await http.get(EVENTS, headers={"Last-Event-ID": bad})).status_code == 422
