"""A job whose record in Redis has a bad value: shown as the ledger has it, as being restored, and restored."""

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.jobs.engine import reaper
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.reaper import Reaper
from kaboom.jobs.model import JobStatus
from kaboom.jobs.redis import keys
from kaboom.jobs.redis.redis_store import RedisJobStore
from tests.fixtures.jobs.apps import JOBS, jobs_of
from tests.fixtures.jobs.planted import plant_queued, plant_running

pytestmark = pytest.mark.anyio


@pytest.fixture
def parts(real_app: FastAPI) -> Parts:
    """The parts of the real app."""
    return jobs_of(real_app).parts


async def damage(parts: Parts, key: str, field: str, value: str) -> None:
    assert isinstance(parts.store, RedisJobStore)
    assert await parts.store._redis.hset(key, field, value) in {0, 1}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "runnning"),
        ("done", "many"),
        ("version", "1.5"),
        ("requested_at", "yesterday"),
        ("updated_at", "9" * 30),
        ("rate", "fast"),
        ("outcome:ok", ""),
        ("request", "{"),
        ("plan", "5"),
    ],
)
async def test_a_bad_value_is_a_state_that_says_so(
    real_app: FastAPI, real_http: httpx2.AsyncClient, parts: Parts, field: str, value: str
) -> None:
    other = await plant_queued(real_app)
    job, _ = await plant_running(real_app, "ok", size=4)
    await damage(parts, keys.job(job.queue, job.job_id), field, value)
    shown = await real_http.get(f"{JOBS}/{job.job_id}")
    assert (shown.status_code, shown.json()["health"]) == (200, "recovering"), shown.text
    listed = {item["job_id"]: item["health"] for item in (await real_http.get("/api/v1/jobs")).json()["items"]}
    assert listed == {job.job_id: "recovering", other.job_id: "waiting"}


@pytest.mark.parametrize(("field", "value"), [("status", "runnning"), ("done", "many"), ("chunks_done", "1.5")])
async def test_a_damaged_record_is_restored_from_the_ledger(
    real_app: FastAPI, parts: Parts, monkeypatch: pytest.MonkeyPatch, field: str, value: str
) -> None:
    monkeypatch.setattr(reaper, "RECONCILE_S", 0.0)
    job, _ = await plant_running(real_app, "ok", size=4)
    other = await plant_queued(real_app)
    before = await parts.store.load(other.queue, [other.job_id])
    await damage(parts, keys.job(job.queue, job.job_id), field, value)
    assert await parts.store.statuses(job.queue, [job.job_id, other.job_id]) == [None, JobStatus.QUEUED]
    await Reaper(parts).sweep()
    restored, *kept = await parts.store.load(job.queue, [job.job_id, other.job_id])
    assert restored
    assert (restored.request, restored.is_live) == (job.request, True)
    assert kept == before


async def test_damaged_chunks_are_unavailable_with_the_reason(
    real_app: FastAPI, real_http: httpx2.AsyncClient, parts: Parts
) -> None:
    job, _ = await plant_running(real_app, "ok", size=4)
    await damage(parts, keys.chunks(job.queue, job.job_id), "attempts:0", "some")
    answer = await real_http.get(f"{JOBS}/{job.job_id}/chunks")
    assert answer.status_code == 503
    assert f"the chunks of job {job.job_id} are damaged in Redis: " in answer.json()["detail"]
