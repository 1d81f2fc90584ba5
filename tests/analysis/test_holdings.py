"""Every door to the analysis of a portfolio asks for the scope that its request needs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.web.auth.scopes import Scope
from tests.fixtures.accounts.callers import add_token, browser_of, stranger_of
from tests.fixtures.jobs.analyses import ANALYSE, SESSION, end_of, ingest
from tests.fixtures.jobs.apps import SCHEDULES, client_of, memory_settings, running
from tests.fixtures.portfolio.held import hold

pytestmark = pytest.mark.anyio
JOBS = "/api/v1/ai-analysis/jobs"
#: What only the analysis of a portfolio says.
HELD = ("7203/position", "average_cost", "200 shares", "200株")


@pytest.fixture
async def api(tmp_path: Path, anyio_backend: str) -> AsyncIterator[FastAPI]:
    """The API with everything in memory; 7203 has bars."""
    async with running(memory_settings(tmp_path, bar_store="pages")) as app, client_of(app) as http:
        await ingest(http)
        yield app


@pytest.fixture
async def judged(api: FastAPI) -> dict[str, Any]:
    """The ended analysis of a portfolio."""
    async with client_of(api) as http:
        body = {"portfolio_id": await hold(http), "session": SESSION, "sessions": 100}
        job = await end_of(http, ANALYSE, body)
    assert job["status"] == "completed", job
    assert HELD[0] in str(job["result"])
    return job


async def narrow_of(api: FastAPI) -> httpx2.AsyncClient:
    """Return a client with every scope but `portfolios:read`."""
    _, token = await add_token(api, *(scope for scope in Scope if scope is not Scope.PORTFOLIOS_READ))
    return stranger_of(api, **{"x-ingest-token": token})


DOORS = (
    ("GET", ""),
    ("GET", "/events"),
    ("GET", "/logs"),
    ("GET", "/failures"),
    ("GET", "/chunks"),
    ("POST", "/cancel"),
    ("POST", "/retry"),
    ("DELETE", ""),
)


async def test_every_door_of_the_job_asks_for_the_scope_of_its_request(api: FastAPI, judged: dict[str, Any]) -> None:
    path = f"{JOBS}/{judged['job_id']}"
    async with await narrow_of(api) as narrow, client_of(api) as http:
        for method, door in DOORS:
            refused = await narrow.request(method, path + door)
            assert (refused.status_code, "portfolios:read" in refused.text) == (403, True), (method, door)
            assert (await http.get(path)).json()["result"] == judged["result"], (method, door)


async def test_a_wait_and_an_etag_open_no_door(api: FastAPI, judged: dict[str, Any]) -> None:
    path = f"{JOBS}/{judged['job_id']}"
    async with client_of(api) as http:
        etag = (await http.get(path)).headers["etag"]
    async with await narrow_of(api) as narrow:
        waits = await narrow.get(path, headers={"Prefer": "wait=5"})
        tags = await narrow.get(path, headers={"If-None-Match": etag})
        streams = await narrow.get(f"{path}/logs", headers={"Accept": "text/event-stream"})
    assert [answer.status_code for answer in (waits, tags, streams)] == [403, 403, 403]


async def test_a_picture_of_the_job_asks_for_it(api: FastAPI, judged: dict[str, Any]) -> None:
    async with await narrow_of(api) as narrow:
        refused = await narrow.get(f"/api/v1/ai-analysis/results/{judged['job_id']}/7203.png")
    assert refused.status_code == 403


@pytest.mark.parametrize("path", ["/api/v1/jobs", JOBS])
async def test_lists_show_the_state_and_nothing_of_the_request(api: FastAPI, judged: dict[str, Any], path: str) -> None:
    async with await narrow_of(api) as narrow, client_of(api) as http:
        # The texts of jobs that have ended are kept: in both orders.
        for _ in range(2):
            shown = [one for one in (await narrow.get(path)).json()["items"] if one["job_id"] == judged["job_id"]]
            whole = [one for one in (await http.get(path)).json()["items"] if one["job_id"] == judged["job_id"]]
    (hidden,), (seen,) = shown, whole
    assert (hidden["status"], hidden["result"], hidden["lacks"]) == ("completed", None, ["portfolios:read"])
    assert (seen["result"], seen["lacks"]) == (judged["result"], [])
    assert not any(word in str(hidden) for word in HELD)


async def test_concurrent_lists_are_shared_by_callers_of_the_same_scopes_only(
    api: FastAPI, judged: dict[str, Any]
) -> None:
    async with await narrow_of(api) as narrow, client_of(api) as http:
        answers = await asyncio.gather(*(client.get(JOBS) for client in (http, narrow) * 5))
    assert [judged["result"]["prompt_version"] in answer.text for answer in answers] == [True, False] * 5


@pytest.mark.parametrize(("word", "is_found"), [("7203", False), ("portfolio", False), ("ai_analysis", True)])
async def test_a_search_finds_only_by_what_is_shown(
    api: FastAPI, judged: dict[str, Any], word: str, *, is_found: bool
) -> None:
    word = judged["request"]["portfolio_id"] if word == "portfolio" else word
    async with await narrow_of(api) as narrow, client_of(api) as http:
        found = (await narrow.get(JOBS, params={"q": word})).json()["items"]
        by_id = (await narrow.get(JOBS, params={"q": judged["job_id"]})).json()["items"]
        all_of_it = (await http.get(JOBS, params={"q": judged["request"]["portfolio_id"]})).json()["items"]
    assert [len(found), len(by_id), len(all_of_it)] == [int(is_found), 1, 1]


async def test_an_error_may_name_a_holding_and_is_hidden_in_lists(api: FastAPI) -> None:
    async with client_of(api) as http, await narrow_of(api) as narrow:
        made = await http.post("/api/v1/portfolios", json={"name": "empty"})
        job = await end_of(http, ANALYSE, {"portfolio_id": made.json()["id"]})
        (shown,) = (await narrow.get(JOBS)).json()["items"]
        found = (await narrow.get(JOBS, params={"q": "holds nothing"})).json()["items"]
    assert "holds nothing" in job["error"]["message"]
    assert (shown["status"], shown["error"]["type"]) == ("failed", job["error"]["type"])
    assert ("holds nothing" in str(shown), found) == (False, [])


@pytest.mark.parametrize(
    "path",
    ["/jobs/ai-analysis/{}", "/jobs/ai-analysis/{}/failures.csv", "/analyses/{}", "/analyses", "/jobs", "/"],
)
async def test_no_page_shows_a_holding(api: FastAPI, judged: dict[str, Any], path: str) -> None:
    _, token = await add_token(api, *(scope for scope in Scope if scope is not Scope.PORTFOLIOS_READ))
    async with contextlib.aclosing(await browser_of(api, token=token)) as browser:
        page = await browser.get(path.format(judged["job_id"]), headers={"accept": "text/html"})
    assert page.status_code == (403 if "{}" in path else 200)
    assert not any(word in page.text for word in (*HELD, judged["request"]["portfolio_id"]))


async def test_a_schedule_of_it_is_run_changed_and_deleted_with_the_scope_alone(api: FastAPI) -> None:
    async with client_of(api) as http, await narrow_of(api) as narrow:
        request = {"portfolio_id": await hold(http)}
        planned = {"name": "mine", "cron": "0 18 * * *", "task": "ai_analysis.analyse", "request": request}
        made = await http.post(SCHEDULES, json=planned)
        path = f"{SCHEDULES}/{made.json()['schedule_id']}"
        calls: list[dict[str, Any]] = [
            {"method": "POST", "url": f"{path}/run"},
            {"method": "PATCH", "url": path, "json": {"max_late_h": 5}},
            {"method": "DELETE", "url": path},
        ]
        refused = [await narrow.request(**call) for call in calls]
        allowed = [await http.request(**call) for call in calls]
    assert [answer.status_code for answer in (*refused, *allowed)] == [403, 403, 403, 202, 200, 204]
