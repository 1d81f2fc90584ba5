"""Parts that live pages take anew: made once for all who see the same, and for nobody else."""

import asyncio
import re
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.dashboard.page_request import OpenPage
from kaboom.jobs.page import job as job_page
from tests.fixtures.accounts.callers import browser_of as log_in
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.jobs.browsers import browser_of
from tests.fixtures.jobs.planted import plant_queued

pytestmark = pytest.mark.anyio
PART = {"hx-request": "true"}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The languages of the parts that were made, one for each."""
    languages: list[str] = []
    show = job_page._show

    async def counted(page: OpenPage, **chosen: Any) -> httpx2.Response:
        languages.append(page.viewer.language)
        return await show(page, **chosen)  # type: ignore[return-value]

    monkeypatch.setattr(job_page, "_show", counted)
    return languages


@pytest.fixture(autouse=True)
def _kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part is kept for as long as a slow machine needs to ask for it again."""
    monkeypatch.setattr("kaboom.dashboard.renderer._KEPT_S", 60.0)


async def test_many_viewers_cost_one_part(real_app: FastAPI, made: list[str]) -> None:
    job = await plant_queued(real_app)
    path = f"/jobs/ingest/{job.job_id}"
    async with browser_of(real_app) as one, browser_of(real_app, **{"accept-language": "ja"}) as other:
        answers = await asyncio.gather(*(each.get(path, headers=PART) for each in [one, other] * 20))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(made) == ["en", "ja"]


async def test_a_part_has_no_frame(real_browser: httpx2.AsyncClient) -> None:
    part = (await real_browser.get("/", headers=PART)).text
    assert 'id="fresh"' in part
    assert "<html" not in part
    assert "<html" in (await real_browser.get("/")).text


async def test_other_rights_see_another_part(real_app: FastAPI) -> None:
    job = await plant_queued(real_app)
    path = f"/jobs/ingest/{job.job_id}"
    async with browser_of(real_app) as admin, browser_of(real_app, role="viewer") as viewer:
        parts = [(await each.get(path, headers=PART)).text for each in (admin, viewer)]
    assert [part.count("Your role may not") > 0 for part in parts] == [False, True]
    async with browser_of(real_app, owner="other") as other:
        assert (await other.get(path, headers=PART)).status_code == 404


async def test_each_viewer_has_its_own_token(real_app: FastAPI) -> None:
    job = await plant_queued(real_app)
    parts, browsers = [], [await log_in(real_app, token=TOKEN) for _ in range(2)]
    for browser in browsers:
        page = (await browser.get(f"/jobs/ingest/{job.job_id}", headers=PART)).text
        parts.append(re.findall(r'name="csrf" value="([^"]+)"', page)[0])
    for browser, theirs in zip(browsers, parts[::-1], strict=True):
        for token, status in ((theirs, 403), (parts[browsers.index(browser)], 303)):
            form = {"csrf": token, "query": "q=x", "name": "mine"}
            del browser.headers["x-csrf-token"]
            assert (await browser.post("/jobs/views", data=form)).status_code == status
            browser.headers["x-csrf-token"] = ""
