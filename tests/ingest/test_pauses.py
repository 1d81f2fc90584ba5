"""An ingest whose provider wants to be left alone: its chunks wait in the queue, and tell the truth in the end."""

import pytest

from kaboom.bars.memory import MemoryActionStore, MemoryBarStore
from kaboom.drivers.clock import utc_now
from kaboom.errors import RateLimited
from kaboom.ingest import tasks
from kaboom.ingest.jobs import BACKFILL, RUN_DAILY
from kaboom.ingest.window import IngestTools
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.run import worker
from kaboom.jobs.engine.run.worker import perform
from kaboom.jobs.job_type import JobType
from kaboom.jobs.model import Job, JobStatus
from kaboom.market.listing import Market
from kaboom.settings import load_settings
from tests.fixtures.jobs.job_runs import assert_agree, in_store, messages, work_off
from tests.fixtures.jobs.jobs import ref_of
from tests.fixtures.jobs.memory_parts import memory_parts
from tests.fixtures.providers.fake_providers import FakeProvider, fail_with, give

pytestmark = pytest.mark.anyio

SYMBOLS = ["1301", "1332", "7203", "6758"]
BLOCKED = fail_with(RateLimited("status was 429", retry_after_s=200.0))


@pytest.fixture
def parts() -> Parts:
    """Memory twins, and little patience."""
    return memory_parts(load_settings(bar_store="memory", provider="synthetic", provider_patience_s=500.0))


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    """A provider of two symbols at a time; the test tells it what to answer."""
    fake = FakeProvider()
    tools = IngestTools(fake, MemoryBarStore(), MemoryActionStore(), Market.TSE_PRIME, frozenset(), utc_now)
    monkeypatch.setattr(tasks, "tools_for", lambda *_, **__: tools)
    return fake


async def begin(parts: Parts) -> Job:
    """Submit and plan a job of one chunk."""
    request = {"intervals": {"1d": 1}, "market": "TSE_PRIME", "symbols": SYMBOLS, "session": "2026-10-30"}
    job = (await Jobs(parts).submit(RUN_DAILY, request, owner="ingest")).job
    (plan,) = messages(parts)
    assert await perform(parts, plan) == "planned"
    return job


async def test_what_was_settled_stays_and_the_rest_comes_after_the_pause(parts: Parts, provider: FakeProvider) -> None:
    provider._answers = [give, BLOCKED]
    job = await begin(parts)
    assert await work_off(parts) == ["paused"]
    found = await in_store(parts, job)
    assert (found.status, found.done, found.pause_reason) == (JobStatus.RUNNING, 2, "status was 429")
    assert await perform(parts, ref_of(job, 0)) == "done"
    kept, _ = await assert_agree(parts, job)
    assert (kept.status, kept.outcomes, kept.counts["provider_wait_s"]) == (JobStatus.COMPLETED, {"ok": 4}, 200)


async def test_when_patience_is_over_the_symbols_are_rate_limited(parts: Parts, provider: FakeProvider) -> None:
    provider._answers = [BLOCKED] * 9
    job = await begin(parts)
    assert await work_off(parts) == ["paused"]
    assert await perform(parts, ref_of(job, 0)) == "paused"
    # 100 s of patience are left, and the provider wants 200.
    assert await perform(parts, ref_of(job, 0)) == "done"
    kept, chunks = await assert_agree(parts, job)
    assert (kept.status, kept.outcomes) == (JobStatus.FAILED, {"rate_limited": 4})
    assert {note.message for note in chunks[0].tally.notes} == {"status was 429"}
    assert kept.counts == {"provider_wait_s": 400}


async def test_a_chunk_that_runs_for_long_is_handed_back_between_slices(
    parts: Parts, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await begin(parts)
    monkeypatch.setattr(worker, "LONGEST_RUN_S", -1.0)
    assert await work_off(parts) == ["paused"]
    assert (await in_store(parts, job)).paused_until is None
    assert await parts.store.take_retries(job.queue) == [ref_of(job, 0)]
    monkeypatch.setattr(worker, "LONGEST_RUN_S", 900.0)
    assert await perform(parts, ref_of(job, 0)) == "done"
    assert provider.requests


@pytest.mark.parametrize(("spec", "planner"), [(RUN_DAILY, "plan_ingest"), (BACKFILL, "plan_backfill")])
async def test_a_plan_that_must_wait_is_handed_back(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, spec: JobType, planner: str
) -> None:
    async def limited(*_: object, **__: object) -> None:
        raise RateLimited("status was 429", retry_after_s=200.0)

    monkeypatch.setattr(tasks, planner, limited)
    request = {"intervals": {"1d": 1}, "market": "TSE_PRIME"}
    job = (await Jobs(parts).submit(spec, request, owner="ingest")).job
    assert await work_off(parts) == ["paused"]
    assert (await in_store(parts, job)).pause_reason == "status was 429"
