"""Watching a job over HTTP: events that resume and end, and a long poll."""

import asyncio
import json
import re
import time

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.jobs.api.sse import preferred_wait_s
from tests.fixtures.jobs.apps import JOBS, jobs_of
from tests.fixtures.jobs.planted import plant_final, plant_queued

pytestmark = pytest.mark.anyio


def ids(text: str) -> list[str]:
    return re.findall(r"^id: (\S+)$", text, re.MULTILINE)


async def events(http: httpx2.AsyncClient, job_id: str, after: str | None = None) -> httpx2.Response:
    headers = {"Last-Event-ID": after} if after else {}
    return await http.get(f"{JOBS}/{job_id}/events", headers=headers)


async def test_a_finished_job_tells_its_states_and_size_and_the_stream_ends(
    real_http: httpx2.AsyncClient, real_app: FastAPI
) -> None:
    job = await plant_final(real_app, "ok", "not_listed")
    answer = await events(real_http, job.job_id)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    assert re.findall(r'"status":"(\w+)"', answer.text) == ["queued", "running", "completed"]
    told = [json.loads(data) for data in re.findall(r"^event: progress\ndata: (.*)$", answer.text, re.MULTILINE)]
    # Planned, and begun; a running worker tells how far it is twice a second.
    assert told == [{"done": 0, "failed": 0, "total": 2}] * 2
    # The end is the last event: after it the stream was closed.
    assert re.findall(r"^event: (\w+)$", answer.text, re.MULTILINE)[-1] == "status"


async def test_a_reconnecting_client_gets_the_missed_events_only(
    real_http: httpx2.AsyncClient, real_app: FastAPI
) -> None:
    job = await plant_final(real_app, "ok")
    whole = ids((await events(real_http, job.job_id)).text)
    rest = await events(real_http, job.job_id, after=whole[0])
    assert ids(rest.text) == whole[1:]
    # EventSource takes 204 as "do not come back".
    assert (await events(real_http, job.job_id, after=whole[-1])).status_code == 204


async def test_a_live_job_is_followed_to_its_end(real_http: httpx2.AsyncClient, real_app: FastAPI) -> None:
    job = await plant_queued(real_app)
    following = asyncio.create_task(events(real_http, job.job_id))
    await asyncio.sleep(0)
    await jobs_of(real_app).cancel(job)
    answer = await asyncio.wait_for(following, 10)
    assert re.findall(r'"status":"(\w+)"', answer.text) == ["queued", "cancelling", "cancelled"]


async def test_a_job_that_redis_forgot_tells_its_end(real_http: httpx2.AsyncClient, real_app: FastAPI) -> None:
    job = await plant_final(real_app, "ok")
    await jobs_of(real_app).parts.store.forget("ingest", job.job_id)
    answer = await events(real_http, job.job_id)
    assert answer.text == 'event: status\ndata: {"status":"completed"}\n\n'


@pytest.mark.parametrize(
    ("job_id", "after", "status"), [("0" * 32, None, 404), ("x", None, 404), ("0" * 32, "no", 422)]
)
async def test_streams_of_unknown_jobs_or_ids_are_rejected(
    http: httpx2.AsyncClient, job_id: str, after: str | None, status: int
) -> None:
    assert (await events(http, job_id, after)).status_code == status


@pytest.mark.parametrize("after", ["%C2%88", "", "no"])
async def test_a_log_refuses_a_bad_place_that_a_header_replaces(http: httpx2.AsyncClient, after: str) -> None:
    answer = await http.get(f"{JOBS}/{'0' * 32}/logs?after={after}", headers={"Last-Event-ID": "7-0"})
    assert (answer.status_code, "id of an event" in answer.text) == (422, True)


async def test_a_long_poll_answers_at_the_end(http: httpx2.AsyncClient, app: FastAPI) -> None:
    job = await plant_queued(app, session="2026-10-30", symbols=["7203"])
    polling = asyncio.create_task(http.get(f"{JOBS}/{job.job_id}", headers={"Prefer": "wait=25"}))
    begin = time.monotonic()
    answer = await polling
    assert answer.json()["status"] in {"completed", "cancelled", "failed"}
    assert answer.headers["preference-applied"] == "wait=25"
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize(
    ("prefer", "seconds"), [("wait=30", 30), ("respond-async, wait=9999", 30), ("wait=7", 7), ("wait", 0), ("", 0)]
)
def test_a_long_poll_waits_for_half_a_minute_at_most(prefer: str, seconds: int) -> None:
    assert preferred_wait_s(prefer) == seconds


async def test_a_long_poll_gives_up_in_time(real_http: httpx2.AsyncClient, real_app: FastAPI) -> None:
    job = await plant_queued(real_app)
    answer = await real_http.get(f"{JOBS}/{job.job_id}", headers={"Prefer": "respond-async, wait=1"})
    assert answer.json()["status"] == "queued"
    assert answer.headers["preference-applied"] == "wait=1"
