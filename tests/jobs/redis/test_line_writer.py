"""Lines of jobs are gathered and written soon, a few times a second at most; what is lost is counted."""

import asyncio
import gc
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from kaboom.errors import StoreError
from kaboom.jobs.redis.events import START, Feed, FeedKey
from kaboom.jobs.redis.lines import PERIOD_S, JobLine, LineWriter
from kaboom.jobs.redis.memory_records import MemoryEventLog
from tests.fixtures.jobs.job_steps import until

pytestmark = pytest.mark.anyio
JOB = "dc84d88371794773b929d2957f6a663b"


class CountingLog(MemoryEventLog):
    """A log of one live job that counts writes, and fails as often as the test says."""

    def __init__(self, *, failures: int = 0) -> None:
        super().__init__()
        self.append("ingest", JOB, "status", "queued")
        self.writes = 0
        self._failures = failures

    async def write_lines(self, lines: Mapping[FeedKey, Sequence[str]]) -> None:
        self.writes += 1
        if self.writes <= self._failures:
            raise StoreError("Redis is away")
        await super().write_lines(lines)

    async def lines(self) -> list[JobLine]:
        kept = await self.read("ingest", JOB, after=START, feed=Feed.LINES)
        return [JobLine.from_json(event.data) for event in kept]


def log(writer: LineWriter, event: str) -> None:
    writer.take({"queue": "ingest", "job_id": JOB, "level": "info", "event": event})


async def test_many_lines_are_one_write_soon() -> None:
    kept = CountingLog()
    writer = LineWriter(kept)
    for n in range(100):
        log(writer, f"event_{n}")
    lines = await until(lambda: _wait_for(kept), lambda lines: len(lines) == 100)
    assert [line.event for line in lines] == [f"event_{n}" for n in range(100)]
    assert kept.writes == 1


async def test_lines_of_other_threads_are_taken() -> None:
    kept = CountingLog()
    writer = LineWriter(kept)
    threads = [threading.Thread(target=log, args=(writer, f"event_{n}")) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = await until(lambda: _wait_for(kept), lambda lines: len(lines) == 10)
    assert sorted(line.event for line in lines) == [f"event_{n}" for n in range(10)]


async def test_what_could_not_be_written_is_written_later_in_its_order() -> None:
    kept = CountingLog(failures=2)
    writer = LineWriter(kept)
    log(writer, "first")
    await until(lambda: _writes(kept), lambda writes: writes == 1)
    log(writer, "second")
    lines = await until(lambda: _wait_for(kept), lambda lines: len(lines) == 2)
    assert [line.event for line in lines] == ["first", "second"]


async def test_what_is_too_much_is_counted_in_the_log() -> None:
    kept = CountingLog()
    writer = LineWriter(kept, most_waiting=3)
    for n in range(10):
        log(writer, f"event_{n}")
    await writer.close()
    lines = await kept.lines()
    assert [line.event for line in lines] == ["event_0", "event_1", "event_2", "lines_dropped"]
    assert lines[-1].fields == {"count": 7}


async def test_closing_writes_the_last_lines_and_waits_for_no_dead_redis() -> None:
    kept, dead = CountingLog(), CountingLog(failures=10)
    for log_of_process in (kept, dead):
        writer = LineWriter(log_of_process)
        log(writer, "last")
        await writer.close()
    assert [line.event for line in await kept.lines()] == ["last"]
    assert dead.writes == 1


async def test_a_cut_off_write_loses_nothing() -> None:
    kept = CountingLog()
    writer = LineWriter(kept)
    log(writer, "first")
    # As a worker process does that lets go: every task of its loop is cancelled, time and again.
    for _ in range(5):
        await asyncio.sleep(0.15)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if task.get_name() == "line-writer":
                task.cancel()
    log(writer, "second")
    await writer.close()
    assert [line.event for line in await kept.lines()] == ["first", "second"]


class HangingLog(CountingLog):
    """A log whose writes never end, and wait for what only they refer to."""

    async def write_lines(self, lines: Mapping[FeedKey, Sequence[str]]) -> None:
        self.writes += 1
        await asyncio.Queue[None]().get()


async def test_a_closed_writer_begins_no_task() -> None:
    begun = list[str]()

    def note(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        begun.append(work.__qualname__)
        return asyncio.Task(work, loop=loop, **options)

    loop, passed = asyncio.get_running_loop(), asyncio.Event()
    loop.set_task_factory(note)
    writer = LineWriter(CountingLog())
    log(writer, "last")
    # After what the writer has scheduled.
    await asyncio.sleep(0)
    loop.call_later(2 * PERIOD_S, passed.set)
    await writer.close()
    await passed.wait()
    assert not [name for name in begun if name.startswith("LineWriter.")]


async def test_closing_ends_a_write_that_hangs() -> None:
    kept = HangingLog()
    writer = LineWriter(kept)
    log(writer, "last")
    await until(lambda: _writes(kept), lambda writes: writes == 1)
    await writer.close()
    assert [task for task in asyncio.all_tasks() if task.get_name() == "line-writer"] == []


async def test_a_write_that_hangs_is_not_lost_to_the_next_one() -> None:
    kept = HangingLog()
    writer = LineWriter(kept)
    log(writer, "first")
    await until(lambda: _writes(kept), lambda writes: writes == 1)
    log(writer, "second")
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(2 * PERIOD_S, passed.set)
    await passed.wait()
    gc.collect()
    assert [task.get_name() for task in asyncio.all_tasks()].count("line-writer") == 1
    assert kept.writes == 1
    await writer.close()


async def test_lines_are_written_after_a_write_was_cancelled() -> None:
    kept = CountingLog()
    writer = LineWriter(kept)
    log(writer, "first")
    task = await until(_begun, bool)
    assert task
    task.cancel()
    log(writer, "second")
    lines = await until(lambda: _wait_for(kept), lambda lines: len(lines) == 2)
    assert [line.event for line in lines] == ["first", "second"]
    await writer.close()


async def _begun() -> asyncio.Task[Any] | None:
    """Return the task of a write before its first step."""
    await asyncio.sleep(0)
    return next((task for task in asyncio.all_tasks() if task.get_name() == "line-writer"), None)


async def _wait_for(kept: CountingLog) -> list[JobLine]:
    await asyncio.sleep(0.01)
    return await kept.lines()


async def _writes(kept: CountingLog) -> int:
    await asyncio.sleep(0.01)
    return kept.writes
