"""Chunks that were given up are the same from both ledgers, newest first, and say whether their job was retried."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kaboom.jobs.model import Chunk, ChunkState, Job, JobStatus
from kaboom.jobs.postgres.dead_letters import DeadLetter, DeadLetterQuery
from kaboom.jobs.postgres.port import JobHistory, Terms
from tests.fixtures.jobs.jobs import OWNER, QUEUE, advance, finish, make_chunk, make_job

pytestmark = pytest.mark.anyio
QUERY = DeadLetterQuery((QUEUE, "market_data"), OWNER)


async def plant(ledger: JobHistory, *states: ChunkState, **values: object) -> tuple[Job, list[Chunk]]:
    """Plan a job with a chunk for each state, and end those that have one."""
    job = (await ledger.admit(make_job(**values), Terms("test"))).job
    chunks = [make_chunk(n) for n in range(len(states))]
    await ledger.save_plan(job.job_id, {}, chunks)
    for chunk, state in zip(chunks, states, strict=True):
        tally = advance(chunk, ["ok", "invalid"]) if state is ChunkState.DEAD else finish(chunk)
        dead = replace(chunk, state=state, attempts=3, tally=replace(tally, cause="disk full"))
        if state.is_final:
            await ledger.save_chunk(job.job_id, dead)
    return job, chunks


async def found(ledger: JobHistory, query: DeadLetterQuery = QUERY) -> list[tuple[str, int]]:
    return [(letter.job_id, letter.n) for letter in await ledger.dead_letters(query)]


async def test_a_dead_chunk_is_listed_with_its_cause(ledger: JobHistory) -> None:
    job, _ = await plant(ledger, ChunkState.DONE, ChunkState.DEAD, ChunkState.QUEUED, ChunkState.CANCELLED)
    (letter,) = await ledger.dead_letters(QUERY)
    assert abs((datetime.now(UTC) - letter.given_up_at).total_seconds()) < 5
    wanted = DeadLetter(job.job_id, QUEUE, job.task, 1, 4, 1, 3, "disk full", letter.given_up_at)
    assert letter == wanted


async def test_the_newest_come_first_page_by_page(ledger: JobHistory) -> None:
    planted = [(await plant(ledger, ChunkState.DEAD, ChunkState.DEAD))[0].job_id for _ in range(3)]
    wanted = [(job_id, n) for job_id in reversed(planted) for n in (1, 0)]
    seen: list[tuple[str, int]] = []
    query = replace(QUERY, limit=4)
    while page := await ledger.dead_letters(query):
        seen += [(letter.job_id, letter.n) for letter in page]
        query = replace(query, before=page[-1].place)
    assert seen == wanted


async def test_only_those_asked_for(ledger: JobHistory) -> None:
    mine, _ = await plant(ledger, ChunkState.DEAD)
    other, _ = await plant(ledger, ChunkState.DEAD, queue="market_data", task="market_data.mirror")
    await plant(ledger, ChunkState.DEAD, owner="another")
    assert await found(ledger) == [(other.job_id, 0), (mine.job_id, 0)]
    assert await found(ledger, replace(QUERY, queues=(QUEUE,))) == [(mine.job_id, 0)]
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert await found(ledger, replace(QUERY, since=later)) == []
    assert len(await found(ledger, replace(QUERY, since=later - timedelta(hours=1)))) == 2


async def test_the_newest_retry_of_the_job_is_reported(ledger: JobHistory) -> None:
    dead, _ = await plant(ledger, ChunkState.DEAD)
    left, _ = await plant(ledger, ChunkState.DEAD)
    for _ in range(2):
        child = (await ledger.admit(make_job(parent_id=dead.job_id, attempt=2), Terms("test"))).job
    letters = {letter.job_id: letter.retried_as for letter in await ledger.dead_letters(QUERY)}
    assert letters == {dead.job_id: child.job_id, left.job_id: None}
    assert await found(ledger, replace(QUERY, is_retried=True)) == [(dead.job_id, 0)]
    assert await found(ledger, replace(QUERY, is_retried=False)) == [(left.job_id, 0)]


async def test_a_deleted_job_leaves_none(ledger: JobHistory) -> None:
    job, chunks = await plant(ledger, ChunkState.DEAD)
    ends = [replace(chunks[0], state=ChunkState.DEAD, attempts=3, tally=chunks[0].left_over("lost", "disk full"))]
    await ledger.save_final(replace(job, status=JobStatus.FAILED, plan={}, completed_at=datetime.now(UTC)), ends)
    (letter,) = await ledger.dead_letters(QUERY)
    assert (letter.failed, letter.items, letter.cause) == (4, 4, "disk full")
    await ledger.delete(job.job_id)
    assert await found(ledger) == []
