"""Messages that come five times, or not at all: each chunk runs once, and none is forgotten."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from app.jobs.model import PLAN, Chunk, Job
from app.jobs.store import ChunkRef
from app.tasks.parts import Parts
from app.tasks.worker import perform
from tests.fixtures.apps import real_settings
from tests.fixtures.lines import LIST, QUEUE, Line
from tests.fixtures.stacks import FINAL, until

REQUEST = {"intervals": {"1d": 20, "1h": 10, "15m": 2}, "market": "TSE_PRIME", "session": "2025-11-04"}


@pytest.fixture
def line(redis_url: str, database_url: str, tmp_path: Path) -> Iterator[Line]:
    """A queue without a worker, so far."""
    made = Line(real_settings(redis_url, database_url, tmp_path))
    try:
        yield made
    finally:
        made.close()


def plan(line: Line, job_id: str) -> list[bytes]:
    """Plan a job, and return the messages of its chunks."""
    line.broker.delete(LIST)
    assert line.run(lambda parts: perform(parts, ChunkRef(QUEUE, job_id, PLAN))) == "planned"
    messages = line.waiting()
    assert len(messages) >= 10, "so few chunks prove little"
    line.broker.delete(LIST)
    return messages


def assert_each_ran_once(line: Line, job_id: str, chunks: int) -> None:
    """Check that a job is complete, and that none of its chunks was claimed twice."""

    async def load(parts: Parts) -> tuple[Job | None, list[Chunk]]:
        return await parts.history.load(QUEUE, job_id), await parts.history.load_chunks(job_id)

    job, kept = line.run(load)
    assert job is not None
    assert (job.status, job.chunks_done, job.done) == ("completed", chunks, job.total)
    assert Counter(chunk.attempts for chunk in kept) == {1: chunks}
    assert sum(chunk.tally.rows for chunk in kept) == job.rows > 0


def test_each_message_five_times_is_each_chunk_once(line: Line) -> None:
    job_id = line.submit(REQUEST)
    messages = plan(line, job_id)
    copies = messages * 5
    Random(1).shuffle(copies)
    line.broker.lpush(LIST, *copies)
    line.start(concurrency=2)
    until(lambda: line.status(job_id), lambda status: status in FINAL, within_s=60)
    until(line.waiting, lambda waiting: not waiting, within_s=60)
    assert_each_ran_once(line, job_id, len(messages))
    until(lambda: line.read_log().count(" succeeded in "), lambda n: n >= len(copies), within_s=30)
    log = line.read_log()
    refused = sum(log.count(f": '{word}'") for word in ("busy", "duplicate", "stop"))
    assert (log.count(": 'done'"), refused) == (len(messages), len(copies) - len(messages))


def test_of_a_tenth_of_the_messages_lost_no_chunk_is(line: Line) -> None:
    job_id = line.submit(REQUEST)
    messages = plan(line, job_id)
    kept = list(messages)
    for _ in range(max(1, len(messages) // 10)):
        kept.pop(Random(2).randrange(len(kept)))
    line.broker.lpush(LIST, *kept)
    line.start(concurrency=2)
    until(lambda: line.status(job_id), lambda status: status in FINAL, within_s=90)
    assert_each_ran_once(line, job_id, len(messages))
