"""A job of a kind that this release does not know, as after a roll-back."""

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.jobs.engine import reaper
from kaboom.jobs.engine.reaper import Reaper
from kaboom.jobs.redis import keys
from kaboom.jobs.redis.redis_store import RedisJobStore
from kaboom.jobs.redis.store import Ending
from kaboom.web.auth.scopes import Scope
from tests.fixtures.jobs.apps import JOBS, jobs_of
from tests.fixtures.jobs.planted import plant_running

pytestmark = pytest.mark.anyio


async def test_it_is_shown_and_ended_and_not_retried(
    real_app: FastAPI, real_http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaper, "RECONCILE_S", 0.0)
    job, claim = await plant_running(real_app, "ok", size=4)
    parts = jobs_of(real_app).parts
    assert isinstance(parts.store, RedisJobStore)
    await parts.store._redis.hset(keys.job(job.queue, job.job_id), "task", "ingest.newer")
    await Reaper(parts).sweep()
    (stored,) = await parts.store.load(job.queue, [job.job_id])
    assert stored
    # Nobody knows what its request holds.
    assert parts.catalog.scopes_of(stored) == {Scope.ADMIN}
    path = f"{JOBS}/{job.job_id}"
    shown, chunks = await real_http.get(path), await real_http.get(f"{path}/chunks")
    assert (shown.json()["task"], shown.json()["status"], len(chunks.json()["items"])) == ("ingest.newer", "running", 1)
    assert (await real_http.post(f"{path}/cancel")).status_code == 202
    await parts.store.end(claim.lease, Ending.CANCELLED, claim.chunk.tally)
    await Reaper(parts).sweep()
    assert (await real_http.get(path)).json()["status"] == "cancelled"
    for body in ({}, {"only": "all"}):
        answer = await real_http.post(f"{path}/retry", json=body)
        assert answer.status_code == 422
        assert answer.json()["detail"] == "task was ingest.newer, which this version does not have"
