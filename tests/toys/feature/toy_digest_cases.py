"""A toy digest, as its callers use it: over HTTP, by a schedule and on the command line."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.cli.main import run_cli
from tests.fixtures.jobs.apps import RUN_DAILY, client_of, memory_settings, running

TASK, QUEUE = "market_data.toy_digest", "/api/v1/market-data"
PATH = f"{QUEUE}/toy-digest"
SYMBOLS = ["1301", "1332", "1333"]

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[FastAPI]:
    async with running(memory_settings(tmp_path)) as app:
        yield app


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A caller of an API with three daily bars."""
    async with client_of(app, Prefer="wait=20") as http:
        bars = {"provider": "synthetic", "symbols": SYMBOLS, "intervals": {"1d": 1}}
        assert (await ended(http, await http.post(RUN_DAILY, json=bars)))["status"] == "completed"
        yield http


async def ended(http: httpx2.AsyncClient, answer: httpx2.Response) -> dict[str, Any]:
    """Return a submitted job at its end."""
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = (await http.get(answer.headers["Location"])).json()
    return job


async def test_a_submitted_job_shows_its_result(http: httpx2.AsyncClient) -> None:
    job = await ended(http, await http.post(PATH, json={"names": 2}))
    assert (job["status"], job["task"]) == ("completed", TASK), job
    assert (job["result"]["with_bars"], job["result"]["first"]) == (3, SYMBOLS[:2])
    assert job["result"]["symbols"] > 1000
    assert job["job_id"] in [each["job_id"] for each in (await http.get(f"{QUEUE}/jobs")).json()["items"]]


@pytest.mark.parametrize(("bad", "pointer"), [({"names": 99}, "#/names"), ({"market": "FILE"}, "#/market")])
async def test_a_bad_request_is_rejected(http: httpx2.AsyncClient, bad: dict[str, Any], pointer: str) -> None:
    answer = await http.post(PATH, json=bad)
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, [pointer])


async def test_a_retry_is_the_whole_request_again(http: httpx2.AsyncClient) -> None:
    job = await ended(http, await http.post(PATH, json={"names": 2}))
    retried = await ended(http, await http.post(f"{QUEUE}/jobs/{job['job_id']}/retry"))
    assert (retried["status"], retried["task"]) == ("completed", TASK)
    assert retried["request"] == job["request"] == {"market": "TSE_PRIME", "names": 2, "provider": "synthetic"}


async def test_a_schedule_may_submit_it(http: httpx2.AsyncClient) -> None:
    schedule = {"name": "weekly", "task": TASK, "cron": "0 18 * * 5", "request": {"names": 5}}
    answer = await http.post("/api/v1/schedules", json=schedule)
    assert answer.status_code == 201, answer.text
    assert answer.json()["request"] == {"market": "TSE_PRIME", "names": 5, "provider": "synthetic"}


def test_the_command_has_its_options(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KABOOM_LANG", "en")
    run_cli(["market-data", "toy-digest", "--help"])
    shown = capsys.readouterr().out
    assert "Describe a market in a few words" in shown
    assert "--names" in shown
