"""Empty lists: each has a button beside its command, and a viewer without the scope is offered none that works."""

import httpx2
import pytest
from fastapi import FastAPI

from tests.fixtures.jobs.browsers import browser_of, read_page, tags_of

pytestmark = pytest.mark.anyio
#: Lists that are empty on a new system, and the scope that their buttons need.
LISTS = {
    "/": "ingest",
    "/jobs": "ingest",
    "/data": "ingest",
    "/backtests": "jobs:write",
    "/analyses": "jobs:write",
    "/schedules": "schedules:write",
    "/webhooks": "ingest",
}
_STARTS = ("/new", "/sweep")


@pytest.fixture(autouse=True)
async def _no_schedule(browser: httpx2.AsyncClient) -> None:
    """A new system has the daily ingest."""
    found = (await browser.get("/api/v1/schedules", headers={"accept": "application/json"})).json()["items"]
    for each in found:
        (await browser.delete(f"/api/v1/schedules/{each['schedule_id']}")).raise_for_status()


@pytest.mark.parametrize("path", LISTS)
async def test_an_empty_list_has_a_button_beside_each_command(browser: httpx2.AsyncClient, path: str) -> None:
    marks = [each for each in marks_of(await read_page(browser, path)) if each != "start"]
    assert "cmd" in marks
    after = [following for each, following in zip(marks, [*marks[1:], ""], strict=True) if each == "cmd"]
    assert set(after) == {"acts"}


@pytest.mark.parametrize("path", LISTS)
async def test_a_viewer_is_offered_no_form_that_is_refused(app: FastAPI, path: str) -> None:
    async with browser_of(app, role="viewer") as viewer:
        html = await read_page(viewer, path)
    assert "start" not in marks_of(html)
    # The page says why.
    reasons = {tag["title"] for name, tag in tags_of(html) if name == "button" and "disabled" in tag}
    assert any(LISTS[path] in reason for reason in reasons), reasons


def marks_of(html: str) -> list[str]:
    """Return the commands, the rows of buttons and the links to forms of the main part of a page, in order."""
    found = []
    for name, tag in tags_of(html.partition("</main>")[0]):
        if name == "a" and tag.get("href", "").partition("?")[0].endswith(_STARTS):
            found.append("start")
        elif (kind := tag.get("class", "").partition(" ")[0]) in {"cmd", "acts"}:
            found.append(kind)
    return found
