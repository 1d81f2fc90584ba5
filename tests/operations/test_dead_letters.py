"""Dead letters over HTTP: a chunk that was given up is there until its job is retried by its link."""

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.jobs.engine.settle import keep_given_up, settle_job
from kaboom.jobs.redis.store import Ending
from tests.fixtures.jobs.apps import OTHER_OWNER, OTHER_TOKEN, client_of, jobs_of, memory_settings, running
from tests.fixtures.jobs.planted import plant_running

pytestmark = pytest.mark.anyio
DEAD = "/api/v1/dead-letters"


async def plant_dead(app: FastAPI, error: str = "boom") -> str:
    job, claim = await plant_running(app)
    parts = jobs_of(app).parts
    await parts.store.end(claim.lease, Ending.FAILED, claim.chunk.tally, error=error)
    await keep_given_up(parts, claim.lease.ref)
    await settle_job(parts, job.queue, job.job_id)
    return job.job_id


async def get(http: httpx2.AsyncClient, path: str) -> Any:
    answer = await http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_retry_by_the_link_settles_a_dead_letter(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    job_id = await plant_dead(real_app)
    (letter,) = (await get(real_http, DEAD))["items"]
    assert (letter["job_id"], letter["chunk"], letter["items"], letter["failed"]) == (job_id, "0", 4, 4)
    assert (letter["attempts"], letter["cause"]) == (1, "given up after 1 attempt: boom")
    assert (await get(real_http, letter["links"]["job"]))["status"] == "failed"
    assert (await get(real_http, letter["links"]["chunks"]))["items"][0]["error"] == letter["cause"]
    child = (await real_http.post(letter["links"]["retry"])).json()["job_id"]
    assert (await get(real_http, DEAD))["items"][0]["retried_as"] == child
    assert (await get(real_http, f"{DEAD}?is_retried=false"))["items"] == []


async def test_pages_follow_their_link_and_no_other_list_takes_the_cursor(
    real_app: FastAPI, real_http: httpx2.AsyncClient
) -> None:
    planted = [await plant_dead(real_app) for _ in range(3)]
    first = await real_http.get(f"{DEAD}?limit=2")
    cursor = first.json()["next_cursor"]
    link = first.headers["link"].removeprefix("<").removesuffix('>; rel="next"')
    rest = await get(real_http, link)
    assert [each["job_id"] for each in first.json()["items"] + rest["items"]] == planted[::-1]
    others = ("queue=ingest", "since=2020-01-01T00:00:00Z", "is_retried=false")
    taken = [f"{DEAD}?limit=2&{each}&cursor={cursor}" for each in others]
    for path in (*taken, f"{DEAD}?cursor=abc", f"/api/v1/jobs?cursor={cursor}"):
        assert (await real_http.get(path)).json()["type"].rpartition("/")[2] == "bad-cursor", path
    for bad in ("limit=0", "queue=x", "is_retried=maybe", "since=5", "color=red"):
        assert (await real_http.get(f"{DEAD}?{bad}")).status_code == 422, bad


async def test_another_owner_sees_none(tmp_path: Any) -> None:
    async with running(memory_settings(tmp_path), [OTHER_OWNER]) as app:
        await plant_dead(app)
        async with client_of(app, **{"x-ingest-token": OTHER_TOKEN}) as other, client_of(app) as mine:
            assert (await get(other, DEAD))["items"] == []
            assert len((await get(mine, DEAD))["items"]) == 1
