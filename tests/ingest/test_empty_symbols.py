"""An empty list of symbols is refused by every request that takes symbols; absent or null means all."""

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.jobs.model import Job
from tests.fixtures.jobs.apps import INGEST, SCHEDULES, jobs_of, openapi_document

pytestmark = pytest.mark.anyio
MARKET_DATA = "/api/v1/market-data"
#: Route, task of a schedule, and the rest of the body.
ROUTES = [
    (f"{INGEST}/run-daily", "ingest.run_daily", {"intervals": {"1d": 1}}),
    (f"{INGEST}/backfill", None, {"intervals": {"1d": 1}}),
    (f"{MARKET_DATA}/roll-up", "market_data.roll_up", {}),
    (f"{MARKET_DATA}/refresh-quotes", "market_data.refresh_quotes", {}),
    (f"{MARKET_DATA}/indicators", "market_data.indicators", {"indicators": ["sma:25"]}),
]
NO_DUE_TIME = {"name": "test", "session_at": "16:35", "is_enabled": False}


async def submitted(app: FastAPI, answer: httpx2.Response) -> Job:
    """Return the job of an accepted submission as the ledger has it."""
    assert answer.status_code == 202, answer.text
    queue = "ingest" if INGEST in answer.headers["location"] else "market_data"
    job = await jobs_of(app).parts.history.load(queue, answer.json()["job_id"])
    assert job
    return job


@pytest.mark.parametrize(("route", "task", "body"), ROUTES)
class TestEmptySymbols:
    async def test_submission_is_refused_with_a_pointer(
        self, http: httpx2.AsyncClient, app: FastAPI, route: str, task: str | None, body: dict[str, Any]
    ) -> None:
        answer = await http.post(route, json=body | {"symbols": []})
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "#/symbols"
        assert error["detail"] == "symbols was empty: name at least one symbol, or leave symbols out to take all"
        assert (await http.get("/api/v1/jobs")).json()["items"] == []

    async def test_schedule_is_refused_with_a_pointer(
        self, http: httpx2.AsyncClient, route: str, task: str | None, body: dict[str, Any]
    ) -> None:
        if task is None:
            pytest.skip("no schedule may hold it")
        answer = await http.post(SCHEDULES, json=NO_DUE_TIME | {"task": task, "request": body | {"symbols": []}})
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == ["#/request/symbols"]
        made = await http.post(SCHEDULES, json=NO_DUE_TIME | {"task": task, "request": body})
        change = {"request": body | {"symbols": []}}
        assert (await http.patch(made.headers["location"], json=change)).status_code == 422

    async def test_absent_and_null_are_the_same_request(
        self, real_http: httpx2.AsyncClient, real_app: FastAPI, route: str, task: str | None, body: dict[str, Any]
    ) -> None:
        absent = await real_http.post(route, json=body)
        null = await real_http.post(route, json=body | {"symbols": None})
        assert null.json()["job_id"] == absent.json()["job_id"]
        assert null.headers["kaboom-coalesced"] == "true"
        assert "symbols" not in (await submitted(real_app, absent)).request

    def test_openapi_says_so(self, route: str, task: str | None, body: dict[str, Any]) -> None:
        api = openapi_document()
        reference = api["paths"][route]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        schema = api["components"]["schemas"][reference.rpartition("/")[2]]["properties"]["symbols"]
        assert [each.get("minItems") for each in schema["anyOf"]] == [1, None]
