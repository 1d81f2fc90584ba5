"""The jobs of all queues as one list: one order, one cursor, and the links of each job's own queue."""

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.ingest.jobs import RUN_DAILY
from kaboom.jobs.postgres.port import Terms
from kaboom.market_data.jobs import MIRROR
from tests.fixtures.jobs.apps import jobs_of
from tests.fixtures.jobs.jobs import OWNER

pytestmark = pytest.mark.anyio
ALL_JOBS = "/api/v1/jobs"


async def plant(app: FastAPI, queues: str, owner: str = OWNER) -> list[str]:
    """Submit a job for each letter: i for ingest, m for market data."""
    specs = {"i": RUN_DAILY, "m": MIRROR}
    made = [await jobs_of(app).submit(specs[each], {}, owner=owner, terms=Terms("test")) for each in queues]
    return [admission.job.job_id for admission in made]


async def get(http: httpx2.AsyncClient, path: str) -> Any:
    answer = await http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_one_cursor_leads_through_the_jobs_of_all_queues(
    real_app: FastAPI, real_http: httpx2.AsyncClient
) -> None:
    made = await plant(real_app, "immiimi")
    await plant(real_app, "im", owner="somebody else")
    seen: list[str] = []
    path = f"{ALL_JOBS}?limit=3"
    while path:
        answer = await real_http.get(path)
        seen += [job["job_id"] for job in answer.json()["items"]]
        link = answer.headers.get("link")
        path = link.removeprefix("<").removesuffix('>; rel="next"') if link else ""
        assert bool(path) == (answer.json()["next_cursor"] is not None)
    assert seen == made[::-1]


async def test_each_job_has_the_links_and_the_live_state_of_its_own_queue(
    real_app: FastAPI, real_http: httpx2.AsyncClient
) -> None:
    ingest, mirror = await plant(real_app, "im")
    await jobs_of(real_app).parts.store.cancel("market_data", mirror)
    items = (await get(real_http, ALL_JOBS))["items"]
    assert [(job["job_id"], job["queue"], job["status"]) for job in items] == [
        (mirror, "market_data", "cancelled"),
        (ingest, "ingest", "queued"),
    ]
    for job in items:
        assert (await get(real_http, job["links"]["self"]))["job_id"] == job["job_id"]


async def test_some_queues_and_states_can_be_asked_for(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    made = await plant(real_app, "imi")
    for query, wanted in (
        ("queue=market_data", [made[1]]),
        ("queue=market_data&queue=ingest", made[::-1]),
        ("queue=backtest", []),
        ("status=queued&q=mirror", [made[1]]),
        ("task=ingest.run_daily", [made[2], made[0]]),
        ("task=ingest.run_daily&task=market_data.mirror&limit=2", [made[2], made[1]]),
        ("task=backtest.run", []),
        ("status=failed", []),
    ):
        assert [job["job_id"] for job in (await get(real_http, f"{ALL_JOBS}?{query}"))["items"]] == wanted


async def test_a_task_that_does_not_exist_is_refused_with_those_that_do(real_http: httpx2.AsyncClient) -> None:
    answer = await real_http.get(f"{ALL_JOBS}?task=backtest.rum")
    assert answer.status_code == 422
    assert "task was 'backtest.rum', expected one of" in answer.json()["detail"]
    assert "backtest.run" in answer.json()["detail"]


async def test_a_cursor_of_all_queues_is_good_for_that_list_only(
    real_app: FastAPI, real_http: httpx2.AsyncClient
) -> None:
    await plant(real_app, "imi")
    cursor = (await get(real_http, f"{ALL_JOBS}?limit=1"))["next_cursor"]
    for path in (
        f"/api/v1/ingest/jobs?cursor={cursor}",
        f"{ALL_JOBS}?queue=ingest&cursor={cursor}",
        f"{ALL_JOBS}?task=ingest.run_daily&cursor={cursor}",
    ):
        answer = await real_http.get(path)
        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (400, "bad-cursor")
    assert (await real_http.get(f"{ALL_JOBS}?queue=none")).status_code == 422
