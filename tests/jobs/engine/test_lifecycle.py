"""Submitting and cancelling on the memory twins; `tests/jobs/api/test_overlap.py` submits on the real servers."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from kaboom.ingest.jobs import RUN_DAILY
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.model import Job, JobStatus
from kaboom.jobs.postgres.port import Admission, Admitted, Terms
from kaboom.jobs.redis.memory import MemoryJobStore

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
