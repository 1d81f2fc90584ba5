"""The log of a job over HTTP: in pages, and as a stream that resumes and ends with the job."""

import asyncio
import re
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from tests.fixtures.jobs.apps import JOBS, RUN_DAILY, jobs_of
from tests.fixtures.jobs.job_steps import until
from tests.fixtures.jobs.planted import plant_final, plant_queued

pytestmark = pytest.mark.anyio
STREAM = {"Accept": "text/event-stream"}


async def page(http: httpx2.AsyncClient, job_id: str, **query: Any) -> Any:
    answer = await http.get(f"{JOBS}/{job_id}/logs", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def logged(http: httpx2.AsyncClient, job_id: str, last: str) -> list[str]:
    """Return the events of a log once it holds this one."""

    async def ask() -> list[str]:
        await asyncio.sleep(0.02)
        return [line["event"] for line in (await page(http, job_id))["items"]]

    return await until(ask, lambda events: last in events, within_s=20)


async def test_a_job_tells_what_was_done(http: httpx2.AsyncClient) -> None:
    body = {"intervals": {"1m": 1}, "symbols": ["7203", "9984"], "session": "2025-11-04"}
    job_id = (await http.post(RUN_DAILY, json=body)).json()["job_id"]
    events = await logged(http, job_id, "job_finished")
    assert events[0] == "job_submitted"
    assert set(events) >= {"plan_started", "job_planned", "chunk_started", "chunk_done"}
    done = next(line for line in (await page(http, job_id))["items"] if line["event"] == "chunk_done")
    assert (done["level"], done["fields"]["done"], done["fields"]["failed"]) == ("info", 2, 0)
    assert done["fields"]["rows"] > 0
    assert done["fields"]["seconds"] > 0
    assert "job_id" not in done["fields"]


async def test_pages_hold_every_line_once_and_go_on(real_http: httpx2.AsyncClient, real_app: FastAPI) -> None:
    job = await plant_final(real_app, "ok")
    await logged(real_http, job.job_id, "job_finished")
    whole = await page(real_http, job.job_id)
    first = await page(real_http, job.job_id, limit=1)
    rest = await page(real_http, job.job_id, after=first["after"])
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert first["items"] + rest["items"] == whole["items"]
    assert await page(real_http, job.job_id, after=rest["after"]) == {
        "items": [], "after": rest["after"], "has_more": False,
    }  # fmt: skip


async def test_a_level_leaves_out_what_is_below(real_http: httpx2.AsyncClient, real_app: FastAPI) -> None:
    job = await plant_final(real_app, "provider_error")
    await logged(real_http, job.job_id, "job_finished")
    errors = await page(real_http, job.job_id, level="error")
    assert [(line["event"], line["fields"]["status"]) for line in errors["items"]] == [("job_finished", "failed")]
    # The cursor has passed the lines that were left out, too.
    assert (await page(real_http, job.job_id, after=errors["after"]))["items"] == []


async def test_a_stream_follows_a_job_to_its_end_and_resumes(real_http: httpx2.AsyncClient, real_app: FastAPI) -> None:
    job = await plant_queued(real_app)
    following = asyncio.create_task(real_http.get(f"{JOBS}/{job.job_id}/logs", headers=STREAM))
    await logged(real_http, job.job_id, "job_submitted")
    await jobs_of(real_app).cancel(job)
    answer = await asyncio.wait_for(following, 30)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert re.findall(r'"event":"(\w+)"', answer.text) == ["job_submitted", "cancel_asked", "job_finished"]
    ids = re.findall(r"^id: (\S+)$", answer.text, re.MULTILINE)
    rest = await real_http.get(f"{JOBS}/{job.job_id}/logs", headers=STREAM | {"Last-Event-ID": ids[0]})
    assert re.findall(r"^id: (\S+)$", rest.text, re.MULTILINE) == ids[1:]
    seen_all = STREAM | {"Last-Event-ID": ids[-1]}
    # For a while a line might still come.
    await until(
        lambda: real_http.get(f"{JOBS}/{job.job_id}/logs", headers=seen_all),
        lambda answer: answer.status_code == 204,
        within_s=30,
    )


async def test_the_log_says_why_a_job_was_cancelled_or_retried(
    real_http: httpx2.AsyncClient, real_app: FastAPI
) -> None:
    queued, failed = await plant_queued(real_app), await plant_final(real_app, "provider_error")
    for job, verb, event in ((queued, "cancel", "cancel_asked"), (failed, "retry", "job_retried")):
        await real_http.post(f"{JOBS}/{job.job_id}/{verb}", json={"reason": "a trial"})
        await logged(real_http, job.job_id, event)
        items = (await page(real_http, job.job_id))["items"]
        assert [line["fields"]["reason"] for line in items if line["event"] == event] == ["a trial"]


async def test_a_job_that_redis_forgot_has_no_log(real_http: httpx2.AsyncClient, real_app: FastAPI) -> None:
    job = await plant_final(real_app, "ok")
    await logged(real_http, job.job_id, "job_finished")
    await jobs_of(real_app).parts.store.forget("ingest", job.job_id)
    assert (await page(real_http, job.job_id))["items"] == []
    assert "data:" not in (await real_http.get(f"{JOBS}/{job.job_id}/logs", headers=STREAM)).text


@pytest.mark.parametrize(
    ("status", "path"),
    [
        (404, f"{'0' * 32}/logs"),
        (404, "x/logs"),
        (422, f"{'0' * 32}/logs?after=no"),
        (422, f"{'0' * 32}/logs?after=99999999999999999999-0"),
        (422, f"{'0' * 32}/logs?level=loud"),
        (422, f"{'0' * 32}/logs?limit=1001"),
    ],
)
async def test_what_has_no_log(http: httpx2.AsyncClient, status: int, path: str) -> None:
    assert (await http.get(f"{JOBS}/{path}")).status_code == status


async def test_a_job_of_another_owner_has_none(real_http: httpx2.AsyncClient, real_app: FastAPI) -> None:
    job = await plant_queued(real_app, owner="somebody else")
    assert (await real_http.get(f"{JOBS}/{job.job_id}/logs")).status_code == 404
