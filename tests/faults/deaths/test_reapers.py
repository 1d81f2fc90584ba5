"""Two reapers at once, one of which stops in the middle of a sweep and goes on long after (row 22)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kaboom.catalog import CATALOG
from kaboom.jobs.engine.parts import Parts, build_parts
from kaboom.jobs.engine.reaper import Reaper
from kaboom.jobs.redis.redis_store import RedisJobStore
from tests.faults.lab.chunks import wait_claimed_again, wait_in_chunk
from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.measure import Measures
from tests.fixtures.jobs.apps import real_settings


@pytest.fixture(scope="module")
def size() -> Size:
    """Two workers, and chunks of some six symbols."""
    return Size(workers=2, chunk_bars=240)


class Pause:
    """Stops whoever passes, once there is something in its hand, until it is let go."""

    def __init__(self) -> None:
        self.is_reached = asyncio.Event()
        self.may_go_on = asyncio.Event()

    async def at(self, hand: Sequence[Any]) -> None:
        """Wait here with something in hand."""
        if hand:
            self.is_reached.set()
            await self.may_go_on.wait()


@asynccontextmanager
async def parts_of(lab: Lab) -> AsyncIterator[Parts]:
    """Give the parts of one more process, in this one."""
    parts = build_parts(real_settings(lab.valkey_url, lab.database_url, lab.data_dir), CATALOG, role="slow-reaper")
    try:
        yield parts
    finally:
        await parts.close()


async def sweep_until_paused(parts: Parts, pause: Pause) -> "asyncio.Task[None]":
    """Sweep again and again until a sweep has stopped in its middle; return that sweep."""
    reaper = Reaper(parts)
    async with asyncio.timeout(40):
        while True:
            sweep = asyncio.create_task(reaper.sweep())
            reached = asyncio.create_task(pause.is_reached.wait())
            await asyncio.wait({sweep, reached}, return_when=asyncio.FIRST_COMPLETED)
            if pause.is_reached.is_set():
                return sweep
            reached.cancel()
            await sweep
            await asyncio.sleep(0.02)


# Row 22: it has read which leases ran out; another reaper takes them back, and their chunks run again.
def test_a_reaper_that_acts_on_old_news_does_nothing(lab: Lab, measure: Measures) -> None:
    async def play() -> None:
        pause = Pause()
        async with parts_of(lab) as parts:
            store = parts.store
            assert isinstance(store, RedisJobStore)
            overdue = store._overdue

            async def read(queue: str, key: str) -> Any:
                found = await overdue(queue, key)
                if key.endswith(":leases"):
                    await pause.at(found)
                return found

            store._overdue = read  # type: ignore[method-assign]
            sweep = await sweep_until_paused(parts, pause)
            await asyncio.to_thread(wait_claimed_again, lab, was, within_s=30)
            pause.may_go_on.set()
            await sweep

    was = begin(lab)
    asyncio.run(play())
    assert lab.caller.wait(was.job_id)["status"] == "completed"
    assert attempts(lab, was.job_id) == {"1", "2"}
    measure.note(22, "a reaper that goes on with old news after another has acted changes nothing", doubled=0)


# It has taken the leases back, and stops before it sends the messages; another reaper sends them.
def test_a_reaper_that_sends_late_doubles_nothing(lab: Lab) -> None:
    async def play() -> None:
        pause = Pause()
        async with parts_of(lab) as parts:
            expire = parts.store.expire

            async def take_back(queue: str) -> Any:
                found = await expire(queue)
                await pause.at(found)
                return found

            parts.store.expire = take_back  # type: ignore[method-assign]
            sweep = await sweep_until_paused(parts, pause)
            # Until now nobody else could have been first.
            await asyncio.to_thread(lab.heal)
            await asyncio.to_thread(wait_claimed_again, lab, was, within_s=30)
            pause.may_go_on.set()
            await sweep

    was = begin(lab)
    for process in (*lab.apis, *(w for w in lab.workers if w.is_alive)):
        process.freeze()
    asyncio.run(play())
    assert lab.caller.wait(was.job_id)["status"] == "completed"
    assert max(attempts(lab, was.job_id)) == "2"


def begin(lab: Lab) -> Any:
    """Kill the worker of a chunk, and return the chunk."""
    lab.plan(pace_s=0.5)
    job_id = lab.caller.submit(lab.requests.build(24))
    was = wait_in_chunk(lab, job_id)
    next(w for w in lab.workers if was.pid in w.children()).kill()
    lab.plan()
    return was


def attempts(lab: Lab, job_id: str) -> set[str]:
    """Return how often the chunks of a job were claimed."""
    chunks = lab.redis.hgetall(f"ingest:job:{job_id}:chunks")
    return {count for name, count in chunks.items() if name.startswith("attempts:")}
