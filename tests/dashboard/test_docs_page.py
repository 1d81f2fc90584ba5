"""The API reference is ours: vendored, and for those who have logged in."""

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.dashboard.renderer import CSP
from tests.fixtures.jobs.browsers import browser_of, tags_of

pytestmark = pytest.mark.anyio


async def test_the_reference_is_served_from_here(browser: httpx2.AsyncClient) -> None:
    answer = await browser.get("/docs")
    assert (answer.status_code, answer.headers["content-security-policy"]) == (200, CSP)
    files = [tag.get("src") or tag["href"] for name, tag in tags_of(answer.text) if name in {"script", "link"}]
    assert any("swagger-ui-bundle.js" in each for each in files)
    for each in files:
        assert each.startswith("/static/")
        assert (await browser.get(each)).status_code == 200


async def test_the_reference_needs_a_session(app: FastAPI) -> None:
    async with browser_of(app, owner="") as stranger:
        answer = await stranger.get("/docs")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/docs")
