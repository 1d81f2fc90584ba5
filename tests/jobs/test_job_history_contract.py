"""The promises of the port to the job ledger, kept by PostgreSQL and by its memory twin."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.errors import NotFound, StoreError
from kaboom.jobs.model import Chunk, ChunkState, Job, JobStatus, Tally
from kaboom.jobs.postgres.memory import MemoryJobHistory
from kaboom.jobs.postgres.port import JobHistory, JobQuery, LedgerStats, Terms
from kaboom.jobs.postgres.postgres import PostgresJobHistory
from kaboom.jobs.postgres.tables import JOBS
from tests.fixtures.jobs.jobs import OWNER, QUEUE, advance, finish, make_chunk, make_job

pytestmark = pytest.mark.anyio

PLAN = {"provider": "synthetic", "session": "2025-11-04"}


async def accepted(ledger: JobHistory, **values: object) -> Job:
    return (await ledger.admit(make_job(**values), Terms("test"))).job


async def load(ledger: JobHistory, job: Job) -> Job:
    found = await ledger.load(job.queue, job.job_id)
    assert found is not None
    return found


async def ended(
    ledger: JobHistory, status: JobStatus, *, ago_s: float = 0.0, runtime_s: float = 10.0, **values: object
) -> Job:
    """Accept a job and end it some seconds ago."""
    job, at = await accepted(ledger, **values), datetime.now(UTC) - timedelta(seconds=ago_s)
    await ledger.save_final(
        replace(job, status=status, started_at=at - timedelta(seconds=runtime_s), completed_at=at, total=2)
    )
    return job


async def pages(ledger: JobHistory, query: JobQuery) -> AsyncIterator[list[Job]]:
    """Yield the pages of a query, as a caller with cursors gets them."""
    while found := await ledger.list_jobs(query):
        yield found
        assert found[-1].requested_at is not None
        query = replace(query, before=(found[-1].requested_at, found[-1].job_id))


async def at_one_instant(ledger: JobHistory, jobs: list[Job]) -> None:
    """Have jobs been requested at the same microsecond."""
    at = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)
    if isinstance(ledger, PostgresJobHistory):
        async with ledger._engine.begin() as connection:
            wanted = JOBS.c.job_id.in_([job.job_id for job in jobs])
            await connection.execute(JOBS.update().where(wanted).values(requested_at=at))
    elif isinstance(ledger, MemoryJobHistory):
        for job in jobs:
            ledger._jobs[job.job_id] = replace(ledger._jobs[job.job_id], requested_at=at)


async def test_a_key_of_the_api_is_kept_as_it_was_sealed(ledger: JobHistory) -> None:
    assert await ledger.load_api_key("cursors") is None
    assert await ledger.replace_api_key("cursors", None, b"first")
    assert await ledger.load_api_key("cursors") == b"first"
    assert await ledger.load_api_key("others") is None


async def test_a_key_of_the_api_is_replaced_by_those_who_know_it(ledger: JobHistory) -> None:
    assert await ledger.replace_api_key("shared", None, b"first")
    for old in (None, b"another"):
        assert not await ledger.replace_api_key("shared", old, b"second")
    assert await ledger.replace_api_key("shared", b"first", b"second")
    assert not await ledger.replace_api_key("none", b"first", b"second")
    assert await ledger.load_api_key("shared") == b"second"


async def test_of_several_who_replace_a_key_one_succeeds(ledger: JobHistory) -> None:
    made = await asyncio.gather(*(ledger.replace_api_key("raced", None, b"old") for _ in range(10)))
    assert sum(made) == 1
    changed = await asyncio.gather(*(ledger.replace_api_key("raced", b"old", bytes([n])) for n in range(10)))
    assert sum(changed) == 1


class TestInsert:
    async def test_a_job_comes_back_with_the_time_it_was_accepted(self, ledger: JobHistory) -> None:
        job = make_job(parent_id="a" * 32, attempt=2, request={"market": "TSE_PRIME", "text": "日本", "symbols": []})
        kept = (await ledger.admit(job, Terms("test"))).job
        assert kept.requested_at is not None
        assert abs((datetime.now(UTC) - kept.requested_at).total_seconds()) < 5
        assert replace(kept, requested_at=None) == job
        assert await load(ledger, job) == kept

    async def test_a_job_is_found_only_by_its_queue_and_id(self, ledger: JobHistory) -> None:
        job = await accepted(ledger)
        assert await ledger.load("backtest", job.job_id) is None
        assert await ledger.load(QUEUE, "f" * 32) is None
        assert await ledger.load_chunks("f" * 32) == []


class TestPlan:
    async def test_a_plan_is_kept_with_its_chunks_in_order(self, ledger: JobHistory) -> None:
        job, chunks = await accepted(ledger), [make_chunk(n) for n in range(12)]
        assert await ledger.save_plan(job.job_id, PLAN, chunks) == (PLAN, chunks)
        assert await ledger.load_chunks(job.job_id) == chunks
        found = await load(ledger, job)
        assert (found.plan, found.status) == (PLAN, JobStatus.RUNNING)

    async def test_a_plan_that_is_not_json_is_refused_and_not_kept(self, ledger: JobHistory) -> None:
        job = await accepted(ledger)
        with pytest.raises(TypeError):
            await ledger.save_plan(job.job_id, {1301: "x"}, [])  # type: ignore[dict-item]
        with pytest.raises(TypeError):
            await ledger.save_plan(job.job_id, PLAN, [replace(make_chunk(0), payload={1: 2})])  # type: ignore[dict-item]
        assert (await load(ledger, job)).plan is None
        assert await ledger.load_chunks(job.job_id) == []

    async def test_a_plan_comes_back_as_json_makes_it(self, ledger: JobHistory) -> None:
        job = await accepted(ledger)
        chunk = replace(make_chunk(0), payload={"sessions": ("2025-11-04",)})
        await ledger.save_plan(job.job_id, {"sessions": ("2025-11-04", "2025-11-05")}, [chunk])
        assert (await load(ledger, job)).plan == {"sessions": ["2025-11-04", "2025-11-05"]}
        assert [c.payload for c in await ledger.load_chunks(job.job_id)] == [{"sessions": ["2025-11-04"]}]

    async def test_the_first_plan_wins(self, ledger: JobHistory) -> None:
        job, first = await accepted(ledger), [make_chunk(0), make_chunk(1)]
        await ledger.save_plan(job.job_id, PLAN, first)
        done = replace(first[0], state=ChunkState.DONE, tally=finish(first[0]), attempts=1)
        await ledger.save_chunk(job.job_id, done)
        kept = await ledger.save_plan(job.job_id, {"provider": "other"}, [make_chunk(0)])
        assert kept == (PLAN, [done, first[1]])
        assert await ledger.load_chunks(job.job_id) == [done, first[1]]

    async def test_of_racing_planners_all_get_the_same_plan(self, ledger: JobHistory) -> None:
        job = await accepted(ledger)
        plans = [({"provider": str(i)}, [make_chunk(0, 1 + i)]) for i in range(4)]
        kept = await asyncio.gather(*(ledger.save_plan(job.job_id, *plan) for plan in plans))
        assert kept[0] in plans
        assert all(answer == kept[0] for answer in kept)
        assert await ledger.load_chunks(job.job_id) == kept[0][1]

    async def test_a_plan_of_no_chunks_is_a_plan(self, ledger: JobHistory) -> None:
        job = await accepted(ledger)
        assert await ledger.save_plan(job.job_id, PLAN, []) == (PLAN, [])
        assert await ledger.save_plan(job.job_id, {}, [make_chunk(0)]) == (PLAN, [])

    async def test_a_job_that_was_never_accepted_has_none(self, ledger: JobHistory) -> None:
        with pytest.raises(NotFound, match="not in the ledger"):
            await ledger.save_plan("f" * 32, PLAN, [])

    async def test_a_job_asked_to_stop_keeps_its_state(self, ledger: JobHistory) -> None:
        job = await accepted(ledger)
        await ledger.save_status(job.job_id, JobStatus.CANCELLING)
        await ledger.save_plan(job.job_id, PLAN, [make_chunk(0)])
        assert (await load(ledger, job)).status is JobStatus.CANCELLING

    async def test_a_job_that_ended_without_a_plan_keeps_none(self, ledger: JobHistory) -> None:
        job = await ended(ledger, JobStatus.CANCELLED)
        for _ in range(2):
            chunks = [make_chunk(0)]
            assert await ledger.save_plan(job.job_id, PLAN, chunks) == (PLAN, chunks)
        assert (await load(ledger, job)).plan is None
        assert await ledger.load_chunks(job.job_id) == []


class TestChunks:
    async def planned(self, ledger: JobHistory) -> tuple[Job, Chunk]:
        job, chunk = await accepted(ledger), make_chunk(0)
        await ledger.save_plan(job.job_id, PLAN, [chunk, make_chunk(1)])
        return job, chunk

    @pytest.mark.parametrize("state", [ChunkState.DONE, ChunkState.DEAD, ChunkState.CANCELLED])
    async def test_an_end_is_kept_whole_and_may_be_repeated(self, ledger: JobHistory, state: ChunkState) -> None:
        job, chunk = await self.planned(ledger)
        end = replace(chunk, state=state, tally=advance(chunk, ["ok", "invalid"]), attempts=2)
        for _ in range(2):
            await ledger.save_chunk(job.job_id, end)
        kept = await ledger.load_chunks(job.job_id)
        assert kept[0] == end
        assert kept[1].state is ChunkState.QUEUED

    async def test_an_end_leaves_the_chunks_of_other_jobs_alone(self, ledger: JobHistory) -> None:
        (job, chunk), (other, queued) = await self.planned(ledger), await self.planned(ledger)
        done = replace(chunk, state=ChunkState.DONE, tally=finish(chunk), attempts=1)
        await ledger.save_chunk(job.job_id, done)
        assert (await ledger.load_chunks(other.job_id))[0] == queued
        ended = replace(await load(ledger, job), status=JobStatus.COMPLETED)
        await ledger.save_final(ended, [replace(done, attempts=2), make_chunk(1, state=ChunkState.DONE)])
        kept = await ledger.load_chunks(other.job_id)
        assert [(c.n, c.state, c.attempts) for c in kept] == [("0", ChunkState.QUEUED, 0), ("1", ChunkState.QUEUED, 0)]
        assert (await load(ledger, other)).status is JobStatus.RUNNING

    async def test_an_end_is_never_taken_back(self, ledger: JobHistory) -> None:
        job, chunk = await self.planned(ledger)
        done = replace(chunk, state=ChunkState.DONE, tally=finish(chunk), attempts=1)
        await ledger.save_chunk(job.job_id, done)
        await ledger.save_chunk(job.job_id, replace(chunk, state=ChunkState.DEAD, tally=Tally(), attempts=3))
        await ledger.save_chunk(job.job_id, chunk)
        assert (await ledger.load_chunks(job.job_id))[0] == done

    async def test_a_chunk_that_was_not_planned_is_not_added(self, ledger: JobHistory) -> None:
        job, _ = await self.planned(ledger)
        await ledger.save_chunk(job.job_id, make_chunk(7, state=ChunkState.DONE))
        await ledger.save_chunk("f" * 32, make_chunk(0, state=ChunkState.DONE))
        assert len(await ledger.load_chunks(job.job_id)) == 2


class TestStatus:
    async def test_a_final_state_is_kept_whole(self, ledger: JobHistory) -> None:
        job, at = await accepted(ledger), datetime(2026, 11, 24, 6, 30, tzinfo=UTC)
        await ledger.save_plan(job.job_id, PLAN, [make_chunk(0)])
        final = replace(
            await load(ledger, job),
            total=9,
            done=5,
            failed=3,
            cancelled=1,
            written=4,
            rows=3_000_000_000,
            chunks_total=2,
            chunks_done=2,
            dead=1,
            rate=3.5,
            status=JobStatus.PARTIAL,
            started_at=at,
            completed_at=at + timedelta(seconds=2.5),
            outcomes={"ok": 4, "no_trades": 1, "write_failed": 3},
            counts={"flag_stale": 2},
            error={"type": "x", "message": "y"},
        )
        for _ in range(2):
            assert await ledger.save_final(final) == final
        assert await load(ledger, job) == final

    async def test_a_given_up_chunk_is_kept_with_its_cause(self, ledger: JobHistory) -> None:
        job, chunk = await accepted(ledger), make_chunk(0)
        await ledger.save_plan(job.job_id, PLAN, [chunk])
        tally = replace(advance(chunk, ["ok"]), cause="given up after 3 attempts: OSError: boom")
        dead = replace(chunk, state=ChunkState.DEAD, attempts=3, tally=tally)
        await ledger.save_chunk(job.job_id, dead)
        assert await ledger.load_chunks(job.job_id) == [dead]
        assert dead.lost == 3

    async def test_an_end_makes_the_chunks_what_it_adds_up_to(self, ledger: JobHistory) -> None:
        job, chunks = await accepted(ledger), [make_chunk(n) for n in range(3)]
        await ledger.save_plan(job.job_id, PLAN, chunks)
        done = replace(chunks[0], state=ChunkState.DONE, tally=finish(chunks[0]))
        await ledger.save_chunk(job.job_id, done)
        ended = [replace(chunk, state=ChunkState.CANCELLED) for chunk in chunks]
        job = replace(await load(ledger, job), status=JobStatus.CANCELLED, completed_at=datetime.now(UTC))
        assert await ledger.save_final(job, ended) == job == await load(ledger, job)
        assert await ledger.load_chunks(job.job_id) == ended
        # Whoever comes later with another end is told which one stands.
        assert await ledger.save_final(replace(job, status=JobStatus.COMPLETED), [done]) == job
        assert await ledger.load_chunks(job.job_id) == ended

    async def test_a_job_that_ended_without_its_plan_keeps_none(self, ledger: JobHistory) -> None:
        job, other = await accepted(ledger), await accepted(ledger)
        chunks = [make_chunk(0)]
        for planned in (job, other):
            await ledger.save_plan(planned.job_id, PLAN, chunks)
        kept = await ledger.save_final(replace(job, status=JobStatus.FAILED, error={"type": "plan_failed"}))
        assert kept is not None
        assert (kept.plan, await ledger.load_chunks(job.job_id)) == (None, [])
        assert ((await load(ledger, other)).plan, await ledger.load_chunks(other.job_id)) == (PLAN, chunks)

    @pytest.mark.parametrize("status", [s for s in JobStatus if s.is_final])
    async def test_a_final_state_is_never_changed(self, ledger: JobHistory, status: JobStatus) -> None:
        job = await ended(ledger, status)
        before = await load(ledger, job)
        for other in JobStatus:
            await ledger.save_status(job.job_id, other)
            await ledger.save_final(replace(before, status=other, total=99))
        assert await load(ledger, job) == before

    async def test_a_state_that_is_not_final_is_kept(self, ledger: JobHistory) -> None:
        job = await accepted(ledger)
        await ledger.save_status(job.job_id, JobStatus.CANCELLING)
        assert (await load(ledger, job)).status is JobStatus.CANCELLING

    async def test_a_job_begins_to_run_only_where_it_was_queued(self, ledger: JobHistory) -> None:
        job = await accepted(ledger)
        await ledger.save_status(job.job_id, JobStatus.RUNNING)
        assert (await load(ledger, job)).status is JobStatus.RUNNING
        stats = await ledger.stats(QUEUE)
        assert (stats.by_status, stats.oldest_queued_s) == ({"running": 1}, None)
        await ledger.save_status(job.job_id, JobStatus.CANCELLING)
        await ledger.save_status(job.job_id, JobStatus.RUNNING)
        assert (await load(ledger, job)).status is JobStatus.CANCELLING

    async def test_an_unknown_job_is_not_made(self, ledger: JobHistory) -> None:
        job = make_job(status=JobStatus.COMPLETED)
        await ledger.save_status(job.job_id, JobStatus.RUNNING)
        assert await ledger.save_final(job) is None
        assert await ledger.load(QUEUE, job.job_id) is None


class TestList:
    async def test_newest_first_of_this_owner_and_queue(self, ledger: JobHistory) -> None:
        mine = [await accepted(ledger) for _ in range(3)]
        await accepted(ledger, owner="somebody")
        await accepted(ledger, queue="backtest")
        found = await ledger.list_jobs(JobQuery((QUEUE,), OWNER))
        assert [job.job_id for job in found] == [job.job_id for job in reversed(mine)]
        assert await ledger.list_jobs(JobQuery((QUEUE,), "nobody")) == []

    async def test_pages_hold_every_job_once_while_others_are_added(self, ledger: JobHistory) -> None:
        known = [(await accepted(ledger)).job_id for _ in range(7)]
        seen: list[str] = []
        async for page in pages(ledger, JobQuery((QUEUE,), OWNER, limit=3)):
            seen += [job.job_id for job in page]
            assert len(page) <= 3
            await accepted(ledger)
        assert seen == known[::-1]

    async def test_jobs_of_one_instant_are_listed_once_across_pages(self, ledger: JobHistory) -> None:
        made = [await accepted(ledger) for _ in range(7)]
        await at_one_instant(ledger, made)
        seen: list[str] = []
        async for page in pages(ledger, JobQuery((QUEUE,), OWNER, limit=2)):
            seen += [job.job_id for job in page]
        assert seen == sorted((job.job_id for job in made), reverse=True)

    async def test_two_queues_are_one_list_page_by_page(self, ledger: JobHistory) -> None:
        queues = (QUEUE, "market_data", QUEUE, QUEUE, "market_data", QUEUE)
        made = [await accepted(ledger, queue=queue) for queue in queues]
        await accepted(ledger, queue="backtest")
        await accepted(ledger, owner="somebody")
        seen: list[Job] = []
        async for page in pages(ledger, JobQuery((QUEUE, "market_data"), OWNER, limit=2)):
            assert len(page) == 2
            seen += page
        assert [(job.job_id, job.queue) for job in seen] == [(job.job_id, job.queue) for job in reversed(made)]
        await at_one_instant(ledger, made)
        seen = []
        async for page in pages(ledger, JobQuery((QUEUE, "market_data"), OWNER, limit=4)):
            seen += page
        assert [job.job_id for job in seen] == sorted((job.job_id for job in made), reverse=True)

    async def test_a_job_that_ended_or_went_since_the_last_look_is_listed_so(self, ledger: JobHistory) -> None:
        first, second, third = [await accepted(ledger) for _ in range(3)]
        query = JobQuery((QUEUE,), OWNER)
        await ledger.save_final(replace(first, status=JobStatus.COMPLETED))
        before = await ledger.list_jobs(query)
        assert [(job.job_id, job.status) for job in before] == [
            (third.job_id, JobStatus.QUEUED),
            (second.job_id, JobStatus.QUEUED),
            (first.job_id, JobStatus.COMPLETED),
        ]
        await ledger.save_final(replace(second, status=JobStatus.FAILED, error={"type": "x", "message": "y"}))
        await ledger.delete(first.job_id)
        for _ in range(2):
            after = await ledger.list_jobs(query)
            assert after == [await load(ledger, third), await load(ledger, second)]

    async def test_filters_by_status_and_time(self, ledger: JobHistory) -> None:
        old = await accepted(ledger)
        failed = await ended(ledger, JobStatus.FAILED)
        new = await accepted(ledger)
        query = JobQuery((QUEUE,), OWNER, statuses=frozenset({JobStatus.QUEUED, JobStatus.RUNNING}))
        assert [j.job_id for j in await ledger.list_jobs(query)] == [new.job_id, old.job_id]
        query = JobQuery((QUEUE,), OWNER, statuses=frozenset({JobStatus.FAILED}))
        assert [j.job_id for j in await ledger.list_jobs(query)] == [failed.job_id]
        query = JobQuery((QUEUE,), OWNER, since=new.requested_at)
        assert [j.job_id for j in await ledger.list_jobs(query)] == [new.job_id]

    async def test_filters_by_whether_a_job_was_retried(self, ledger: JobHistory) -> None:
        retried, other = await accepted(ledger), await accepted(ledger, queue="backtest")
        child = await accepted(ledger, parent_id=retried.job_id, attempt=2)
        queues = (QUEUE, "backtest")
        for is_retried, found in ((True, [retried]), (False, [child, other]), (None, [child, other, retried])):
            query = JobQuery(queues, OWNER, is_retried=is_retried)
            assert [j.job_id for j in await ledger.list_jobs(query)] == [job.job_id for job in found]

    async def test_filters_by_the_job_that_is_retried(self, ledger: JobHistory) -> None:
        parent, other = await accepted(ledger), await accepted(ledger)
        children = [await accepted(ledger, parent_id=parent.job_id, attempt=2) for _ in range(2)]
        await accepted(ledger, parent_id=other.job_id, attempt=2)
        found = await ledger.list_jobs(JobQuery((QUEUE,), OWNER, parent_id=parent.job_id))
        assert [j.job_id for j in found] == [child.job_id for child in reversed(children)]

    async def test_filters_by_kind(self, ledger: JobHistory) -> None:
        run, paper, sweep = [
            await accepted(ledger, queue="backtest", task=f"backtest.{verb}") for verb in ("run", "paper", "sweep")
        ]
        for tasks, found in (({run.task, sweep.task}, [sweep, run]), ({paper.task}, [paper]), ({"backtest.x"}, [])):
            query = JobQuery(("backtest",), OWNER, tasks=frozenset(tasks), limit=2)
            assert [j.job_id for j in await ledger.list_jobs(query)] == [job.job_id for job in found]


class TestUnfinished:
    async def test_open_jobs_of_a_queue_oldest_first(self, ledger: JobHistory) -> None:
        first, second = await accepted(ledger), await accepted(ledger)
        await ledger.save_status(first.job_id, JobStatus.CANCELLING)
        await ended(ledger, JobStatus.COMPLETED)
        await accepted(ledger, queue="backtest")
        found = await ledger.unfinished(QUEUE, older_than_s=0.0)
        assert [job.job_id for job in found] == [first.job_id, second.job_id]

    async def test_pages_hold_every_one_once(self, ledger: JobHistory, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in ("memory", "postgres"):
            monkeypatch.setattr(f"kaboom.jobs.postgres.{module}.UNFINISHED_PAGE", 2)
        jobs = [await accepted(ledger) for _ in range(5)]
        seen, place = [], None
        while page := await ledger.unfinished(QUEUE, older_than_s=0.0, after=place):
            assert len(page) <= 2
            seen += [(job.job_id, job.status) for job in page]
            place = page[-1].place
        assert seen == [(job.job_id, JobStatus.QUEUED) for job in jobs]

    async def test_a_new_job_is_left_to_its_submission(self, ledger: JobHistory) -> None:
        await accepted(ledger)
        assert await ledger.unfinished(QUEUE, older_than_s=5.0) == []


class TestStats:
    async def test_an_empty_queue(self, ledger: JobHistory) -> None:
        stats = await ledger.stats(QUEUE)
        assert stats == LedgerStats()
        assert (stats.by_status, stats.finished_1m, stats.finished_1h, stats.oldest_queued_s) == ({}, 0, 0, None)
        assert (stats.p50_runtime_s, stats.p95_runtime_s, stats.success_rate_24h) == (None, None, None)

    async def test_counts_windows_and_runtimes(self, ledger: JobHistory) -> None:
        await accepted(ledger, queue="backtest")
        await accepted(ledger)
        await ended(ledger, JobStatus.COMPLETED, ago_s=1, runtime_s=10)
        await ended(ledger, JobStatus.COMPLETED, ago_s=600, runtime_s=20)
        await ended(ledger, JobStatus.PARTIAL, ago_s=7200, runtime_s=30)
        await ended(ledger, JobStatus.CANCELLED, ago_s=7200, runtime_s=40)
        await ended(ledger, JobStatus.FAILED, ago_s=3 * 86_400, runtime_s=1000)
        stats = await ledger.stats(QUEUE)
        assert stats.by_status == {"queued": 1, "completed": 2, "partial": 1, "cancelled": 1, "failed": 1}
        assert (stats.finished_1m, stats.finished_1h) == (1, 2)
        assert stats.p50_runtime_s == pytest.approx(25, abs=0.01)
        assert stats.p95_runtime_s == pytest.approx(38.5, abs=0.01)
        assert stats.success_rate_24h == pytest.approx(2 / 3, abs=0.001)
        assert stats.oldest_queued_s is not None
        assert 0 <= stats.oldest_queued_s < 5

    async def test_stats_count_the_jobs_of_one_owner(self, ledger: JobHistory) -> None:
        await accepted(ledger, owner="other")
        await ended(ledger, JobStatus.COMPLETED, ago_s=1, runtime_s=10)
        await ended(ledger, JobStatus.FAILED, ago_s=1, runtime_s=90, owner="other")
        mine = await ledger.stats(QUEUE, owner=OWNER)
        assert (mine.by_status, mine.finished_1m, mine.p95_runtime_s) == ({"completed": 1}, 1, 10)
        assert (mine.success_rate_24h, mine.oldest_queued_s) == (1, None)
        other = await ledger.stats(QUEUE, owner="other")
        assert (other.by_status, other.success_rate_24h) == ({"queued": 1, "failed": 1}, 0)
        assert other.oldest_queued_s is not None
        assert (await ledger.stats(QUEUE)).by_status == {"queued": 1, "completed": 1, "failed": 1}
        assert await ledger.stats(QUEUE, owner="nobody") == LedgerStats()


class TestDelete:
    async def test_a_job_goes_with_its_chunks(self, ledger: JobHistory) -> None:
        job, other = await accepted(ledger), await accepted(ledger)
        for kept in (job, other):
            await ledger.save_plan(kept.job_id, PLAN, [make_chunk(0)])
        await ledger.delete(job.job_id)
        await ledger.delete(job.job_id)
        assert await ledger.load(QUEUE, job.job_id) is None
        assert await ledger.load_chunks(job.job_id) == []
        assert len(await ledger.load_chunks(other.job_id)) == 1


async def test_an_unavailable_ledger_is_a_store_error() -> None:
    engine = connect_postgres("postgresql://u:p@127.0.0.1:1/none", application_name="test")
    history = PostgresJobHistory(engine)
    with pytest.raises(StoreError, match="PostgreSQL did not answer") as caught:
        await history.try_write()
    assert caught.value.retryable
    with pytest.raises(StoreError):
        await history.admit(make_job(), Terms("test"))
    await engine.dispose()
