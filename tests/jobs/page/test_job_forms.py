"""Cancel and retry from the list: a preview says what is covered, then the API does it."""

import re

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.jobs.model import JobStatus
from tests.fixtures.jobs.apps import jobs_of
from tests.fixtures.jobs.browsers import browser_of, read_page, tags_of, text_of
from tests.fixtures.jobs.job_steps import until
from tests.fixtures.jobs.jobs import OWNER
from tests.fixtures.jobs.planted import plant_final, plant_queued

pytestmark = pytest.mark.anyio


async def status_of(app: FastAPI, job_id: str) -> JobStatus:
    return (await jobs_of(app).find("ingest", job_id, owner=OWNER)).status


async def test_the_preview_says_what_a_retry_covers(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    one = await plant_final(real_app, "ok", "rate_limited", "provider_error")
    other = await plant_final(real_app, "provider_error", "ok")
    fine = await plant_final(real_app, "ok")
    chosen = [f"ingest/{job.job_id}" for job in (one, other, fine)]
    form = {"action": "retry", "job": chosen, "next": "/jobs?status=partial"}
    page = await real_browser.post("/jobs/preview", data=form)
    text = text_of(page.text)
    assert "Retry what failed in 2 jobs?" in text
    assert "1 chosen job does not fit and is left out." in text
    assert "Retry 3 items" in text
    named = [tag["value"] for name, tag in tags_of(page.text) if tag.get("name") == "job"]
    assert named == chosen[:2]
    part = await real_browser.post("/jobs/preview", data=form, headers={"hx-request": "true"})
    assert "<html" not in part.text
    assert '<h2 id="preview-h">' in part.text


async def test_a_retry_that_will_fail_again_is_announced_and_comes_second(
    real_app: FastAPI, real_browser: httpx2.AsyncClient
) -> None:
    """A retry cannot mend rows that a file has."""
    bad, other = await plant_final(real_app, "ok", "invalid"), await plant_final(real_app, "invalid", "rate_limited")
    warning = "1 job failed only because of its data."
    form = {"action": "retry", "job": [f"ingest/{bad.job_id}", f"ingest/{other.job_id}"], "next": "/jobs"}
    assert warning in text_of((await real_browser.post("/jobs/preview", data=form)).text)
    again = await real_browser.post("/jobs/preview", data=form | {"action": "again"})
    assert warning not in text_of(again.text)
    for job, look in ((bad, "btn"), (other, "btn btn-main")):
        page = await read_page(real_browser, f"/jobs/ingest/{job.job_id}")
        assert [tag["class"] for name, tag in tags_of(page) if name == "button" and tag.get("value") == "retry"] == [
            look
        ]


async def test_a_retry_of_one_job_opens_the_new_job(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    job = await plant_final(real_app, "ok", "provider_error")
    answer = await real_browser.post("/jobs/act", data={"action": "retry", "job": f"ingest/{job.job_id}"})
    assert answer.status_code == 303
    child_id = answer.headers["location"].removeprefix("/jobs/ingest/")
    child = await jobs_of(real_app).find("ingest", child_id, owner=OWNER)
    assert (child.parent_id, child.attempt) == (job.job_id, 2)


async def test_a_bulk_cancel_says_how_many(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    queued = [await plant_queued(real_app) for _ in range(3)]
    ended = await plant_final(real_app, "ok")
    form = {"action": "cancel", "job": [f"ingest/{job.job_id}" for job in (*queued, ended)], "next": "/jobs?q=a"}
    answer = await real_browser.post("/jobs/act", data=form)
    assert answer.headers["location"] == "/jobs?q=a&done=cancel&n=3&refused=1"
    assert {await status_of(real_app, job.job_id) for job in queued} == {JobStatus.CANCELLED}
    text = text_of((await real_browser.get("/jobs?done=cancel&n=3&refused=1")).text)
    assert "3 jobs are being cancelled. 1 was refused." in text


async def test_a_job_that_a_page_submits_has_one_audit_line(
    real_app: FastAPI, real_browser: httpx2.AsyncClient
) -> None:
    answer = await real_browser.post("/fetch", data={"session": "2025-11-04", "interval": "1d"})
    job_id = answer.headers["location"].rpartition("/")[2]
    found = (await real_browser.get("/api/v1/audit")).json()["items"]
    assert [line["action"] for line in found if line["target"] == job_id] == ["backfill"]


async def test_the_reason_of_a_bulk_goes_to_each_job(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    queued = [await plant_queued(real_app) for _ in range(2)]
    form = {"action": "cancel", "job": [f"ingest/{job.job_id}" for job in queued]}
    fields = [tag for _, tag in tags_of((await real_browser.post("/jobs/preview", data=form)).text)]
    (field,) = [tag for tag in fields if tag.get("name") == "reason"]
    assert (field["maxlength"], "required" in field) == ("200", False)
    await real_browser.post("/jobs/act", data=form | {"reason": " <b>by mistake</b> "})
    found = {line["target"]: line for line in (await real_browser.get("/api/v1/audit")).json()["items"]}
    assert [found[job.job_id]["reason"] for job in queued] == ["<b>by mistake</b>"] * 2
    rows = re.findall(r"<tr><td.*?</tr>", await read_page(real_browser, "/audit"), re.DOTALL)
    for job in queued:
        (row,) = [row for row in rows if job.job_id in row]
        assert "&lt;b&gt;by mistake&lt;/b&gt;</bdi>" in row
    await until(
        lambda: read_page(real_browser, f"/jobs/ingest/{queued[0].job_id}"),
        lambda html: "reason &lt;b&gt;by mistake&lt;/b&gt;" in html,
    )


async def test_a_reason_that_is_too_long_cancels_nothing(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    job = await plant_queued(real_app)
    form = {"action": "cancel", "job": f"ingest/{job.job_id}", "reason": "x" * 201}
    assert (await real_browser.post("/jobs/act", data=form)).status_code == 422
    assert await status_of(real_app, job.job_id) is JobStatus.QUEUED


async def test_a_viewer_sees_disabled_buttons_and_is_refused(real_app: FastAPI) -> None:
    job = await plant_queued(real_app)
    async with browser_of(real_app, role="viewer") as browser:
        buttons = [tag for name, tag in tags_of((await browser.get("/jobs")).text) if tag.get("name") == "action"]
        assert len(buttons) == 2
        assert all("disabled" in tag for tag in buttons)
        answer = await browser.post("/jobs/act", data={"action": "cancel", "job": f"ingest/{job.job_id}"})
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert await status_of(real_app, job.job_id) is JobStatus.QUEUED


@pytest.mark.parametrize(
    "form",
    [
        {"action": "delete", "job": "ingest/" + "a" * 32},
        {"action": "retry"},
        {"action": "retry", "job": "ingest/../../../healthz"},
        {"action": "cancel", "job": "ingest/" + "A" * 32},
        {"action": "cancel", "job": [f"ingest/{n:032x}" for n in range(201)]},
    ],
)
async def test_nonsense_is_refused(browser: httpx2.AsyncClient, form: dict[str, object]) -> None:
    for path in ("/jobs/preview", "/jobs/act"):
        answer = await browser.post(path, data=form)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "text/html; charset=utf-8")


async def test_a_form_of_another_site_changes_nothing(real_app: FastAPI) -> None:
    job = await plant_queued(real_app)
    form = {"action": "cancel", "job": f"ingest/{job.job_id}"}
    async with browser_of(real_app, **{"sec-fetch-site": "cross-site"}) as browser:
        answer = await browser.post("/jobs/act", data=form)
    assert answer.status_code == 403
    assert await status_of(real_app, job.job_id) is JobStatus.QUEUED


async def test_the_way_back_leads_to_no_other_site(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    job = await plant_queued(real_app)
    form = {"action": "cancel", "job": f"ingest/{job.job_id}", "next": "//evil.example"}
    answer = await real_browser.post("/jobs/act", data=form)
    assert answer.headers["location"] == "/jobs?done=cancel&n=1&refused=0"
