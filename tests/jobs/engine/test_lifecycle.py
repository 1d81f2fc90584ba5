"""Submitting and cancelling on the memory twins; `tests/jobs/api/test_overlap.py` submits on the real servers."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from kaboom.drivers.clock import utc_now
from kaboom.errors import NotFound, StoreError
from kaboom.ingest.jobs import RUN_DAILY
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.model import Chunk, Job, JobStatus
from kaboom.jobs.postgres.port import Admission, Admitted, Terms
from kaboom.jobs.redis.memory import MemoryJobStore
from kaboom.jobs.redis.store import Claim
from tests.fixtures.jobs.job_runs import in_ledger
from tests.fixtures.jobs.jobs import make_chunk, make_job, ref_of

pytestmark = pytest.mark.anyio
REQUEST = {"intervals": {"1m": 1}, "market": "TSE_PRIME"}


async def submit(parts: Parts, key: str | None = None) -> Admission:
    terms = Terms("request-1", key=key, may_join=True)
    return await Jobs(parts).submit(RUN_DAILY, REQUEST, owner="ingest", terms=terms)


async def test_a_new_key_never_joins_a_job_that_just_ended(parts: Parts) -> None:
    first = (await submit(parts)).job
    await parts.store.cancel(first.queue, first.job_id)
    new, again = await submit(parts, "key"), await submit(parts, "key")
    assert (new.how, again.how) == (Admitted.NEW, Admitted.REPLAYED)
    assert new.job.job_id == again.job.job_id != first.job_id


async def test_a_new_key_never_joins_a_job_that_is_cancelling_and_the_ledger_hears_of_it(parts: Parts) -> None:
    first = (await submit(parts)).job
    assert isinstance(await parts.store.claim(ref_of(first), owner="w1"), Claim)
    stopped = await parts.store.cancel(first.queue, first.job_id)
    assert stopped
    assert stopped.status is JobStatus.CANCELLING
    new = await submit(parts, "key")
    assert (new.how, new.job.job_id == first.job_id) == (Admitted.NEW, False)
    assert (await in_ledger(parts, first)).status is JobStatus.CANCELLING


async def test_a_new_key_that_joins_is_kept_for_the_joined_job(parts: Parts) -> None:
    first = (await submit(parts)).job
    joined, again = await submit(parts, "key"), await submit(parts, "key")
    assert (joined.how, again.how) == (Admitted.JOINED, Admitted.REPLAYED)
    assert {joined.job.job_id, again.job.job_id} == {first.job_id}


class Forgetful(MemoryJobStore):
    """A store that loses everything right after a job was cancelled."""

    async def load(self, queue: str, job_ids: Sequence[str]) -> list[Job | None]:
        found = await super().load(queue, job_ids)
        return [job if job and not job.status.is_final else None for job in found]


async def test_an_end_that_redis_lost_before_the_ledger_had_it_is_not_reported(parts: Parts) -> None:
    parts = replace(parts, store=Forgetful())
    job = (await submit(parts)).job
    assert (await Jobs(parts).cancel(job)).status is JobStatus.CANCELLING


async def test_an_end_that_the_ledger_has_is_reported(parts: Parts) -> None:
    job = (await submit(parts)).job
    assert (await Jobs(parts).cancel(job)).status is JobStatus.CANCELLED
    kept = await parts.history.load(job.queue, job.job_id)
    assert kept
    assert kept.status is JobStatus.CANCELLED


async def test_a_cancel_of_a_job_that_redis_lost_is_kept_in_the_ledger(parts: Parts) -> None:
    job = (await submit(parts)).job
    await parts.store.forget(job.queue, job.job_id)
    with pytest.raises(StoreError, match="being restored"):
        await Jobs(parts).cancel(job)
    assert (await in_ledger(parts, job)).status is JobStatus.CANCELLING


class Away(MemoryJobStore):
    """A store that does not answer."""

    async def load(self, queue: str, job_ids: Sequence[str]) -> list[Job | None]:
        raise StoreError("away")

    async def load_chunks(self, queue: str, job_id: str) -> list[Chunk]:
        raise StoreError("away")


async def test_without_redis_the_ledger_knows_all_of_a_final_job_and_nothing_of_a_running_one(parts: Parts) -> None:
    parts = replace(parts, store=Away())
    jobs, running, ended = Jobs(parts), make_job(), make_job()
    for job in (running, ended):
        await parts.history.admit(job, Terms("test"))
        await parts.history.save_plan(job.job_id, {}, [make_chunk(0)])
    final = replace(ended, plan={}, status=JobStatus.COMPLETED, completed_at=utc_now())
    await parts.history.save_final(final)
    found = await jobs.find(ended.queue, ended.job_id, owner=ended.owner)
    assert found.status is JobStatus.COMPLETED
    assert [chunk.n for chunk in await jobs.load_chunks(found)] == ["0"]
    for look in (jobs.find(running.queue, running.job_id, owner=running.owner), jobs.load_chunks(running)):
        with pytest.raises(StoreError):
            await look
    with pytest.raises(NotFound):
        await jobs.find(ended.queue, ended.job_id, owner="somebody else")
    with pytest.raises(NotFound):
        await jobs.find(ended.queue, "f" * 32, owner=ended.owner)
