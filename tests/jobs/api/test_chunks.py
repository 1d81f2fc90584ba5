"""The timeline of a job: its chunks, their runs and its pauses, also after Redis has lost everything."""

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.jobs.engine.settle import settle_job
from kaboom.jobs.redis.redis_store import RedisJobStore
from kaboom.jobs.redis.store import Ending
from tests.fixtures.jobs.apps import JOBS, jobs_of
from tests.fixtures.jobs.jobs import advance, finish
from tests.fixtures.jobs.planted import plant_running

pytestmark = pytest.mark.anyio


async def chunks_of(http: httpx2.AsyncClient, job_id: str, query: str = "") -> dict[str, Any]:
    answer = await http.get(f"{JOBS}/{job_id}/chunks{query}")
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def test_a_running_chunk_shows_what_its_run_has_settled(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    job, claim = await plant_running(real_app, size=4)
    await jobs_of(real_app).parts.store.beat(claim.lease, advance(claim.chunk, ["ok", "invalid"]))
    page = await chunks_of(real_http, job.job_id)
    (chunk,) = page["items"]
    assert (chunk["n"], chunk["state"], chunk["items"], chunk["settled"], chunk["failed"]) == ("0", "running", 4, 2, 1)
    (run,) = chunk["runs"]
    assert (run["ending"], run["ended_at"], run["settled"], run["failed"]) == (None, None, 2, 1)
    assert (page["total"], page["pauses"], page["next_cursor"]) == (1, [], None)


async def test_a_second_run_shows_only_what_it_has_settled_itself(
    real_app: FastAPI, real_http: httpx2.AsyncClient
) -> None:
    job, claim = await plant_running(real_app, size=6)
    store = jobs_of(real_app).parts.store
    await store.end(claim.lease, Ending.RELEASED, advance(claim.chunk, ["ok", "invalid"]))
    again = await store.claim(claim.lease.ref, owner="w2/3")
    assert not isinstance(again, str)
    await store.beat(again.lease, advance(again.chunk, ["ok", "ok", "invalid"]))
    (chunk,) = (await chunks_of(real_http, job.job_id))["items"]
    assert (chunk["settled"], chunk["failed"], chunk["attempts"]) == (5, 2, again.chunk.attempts)
    assert [(run["ending"], run["settled"], run["failed"]) for run in chunk["runs"]] == [
        ("released", 2, 1),
        (None, 3, 1),
    ]


async def test_the_timeline_outlives_redis(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    job, claim = await plant_running(real_app, size=4)
    jobs = jobs_of(real_app)
    store = jobs.parts.store
    assert isinstance(store, RedisJobStore)
    await store.end(claim.lease, Ending.RELEASED, claim.chunk.tally, error="too many requests", pause_s=12)
    again = await store.claim(claim.lease.ref, owner="w2/3")
    assert not isinstance(again, str)
    await store.end(again.lease, Ending.DONE, finish(again.chunk))
    live = await chunks_of(real_http, job.job_id)
    await settle_job(jobs.parts, "ingest", job.job_id)
    await store._redis.flushdb()
    kept = await chunks_of(real_http, job.job_id)
    assert kept == live
    (chunk,) = kept["items"]
    assert [(r["worker"], r["slot"], r["ending"]) for r in chunk["runs"]] == [
        (chunk["runs"][0]["worker"], None, "released"),
        ("w2", 3, "done"),
    ]
    (pause,) = kept["pauses"]
    assert (pause["begins_at"], pause["reason"]) == (chunk["runs"][0]["ended_at"], "too many requests")
    assert pause["ends_at"] == chunk["runs"][0]["paused_until"]


async def test_chunks_are_paged_and_filtered(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    job, _ = await plant_running(real_app)
    assert (await chunks_of(real_http, job.job_id, "?state=done"))["items"] == []
    assert (await chunks_of(real_http, job.job_id, "?state=running&limit=1"))["total"] == 1
    for bad in ("?limit=0", "?state=lost", "?cursor=-1", "?color=red"):
        assert (await real_http.get(f"{JOBS}/{job.job_id}/chunks{bad}")).status_code == 422
    assert (await real_http.get(f"{JOBS}/{'f' * 32}/chunks")).status_code == 404
    assert (await real_http.get(f"/api/v1/market-data/jobs/{job.job_id}/chunks")).status_code == 404
