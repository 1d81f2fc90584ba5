"""Analyses through the API and the command line, by the rules analyst, without a key."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.bars.open import build_bar_store
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from tests.fixtures.backtest.stored import daily_bars
from tests.fixtures.jobs.analyses import ANALYSE, SESSION, end_of, ingest
from tests.fixtures.jobs.apps import OTHER_OWNER, OTHER_TOKEN, client_of, memory_settings, running

pytestmark = pytest.mark.anyio


@pytest.fixture
async def api(tmp_path: Path, anyio_backend: str) -> AsyncIterator[FastAPI]:
    """The API with everything in memory."""
    async with running(memory_settings(tmp_path, bar_store="pages"), [OTHER_OWNER]) as app:
        yield app


@pytest.fixture
async def http(api: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of it."""
    async with client_of(api) as client:
        yield client


@pytest.mark.parametrize("kind", ["technical", "risk"])
async def test_the_rules_analyst_reports_with_sources(http: httpx2.AsyncClient, kind: str) -> None:
    await ingest(http)
    job = await end_of(http, ANALYSE, {"kind": kind, "symbols": ["7203"], "session": SESSION, "sessions": 100})
    assert job["status"] == "completed", job
    result = job["result"]
    (one,) = result["analyses"]
    assert (one["subject"], one["analyst"], one["asked"], one["models"]) == ("7203", "rules-1", 1, [])
    assert one["verdict_words"].removeprefix("リスク\uff1a") in {"強気", "中立", "弱気", "低", "中", "高"}
    assert result["disclaimer"].startswith(
        "本分析は固定のルールにより自動生成された参考情報で、投資勧誘・投資助言を目的としません"
    )
    assert result["cost_microdollars"] == 0
    values = {row["id"]: row["values"] for row in one["sources"]}
    claims = [claim for point in one["points"] for claim in point["claims"]]
    assert len(claims) >= 4
    assert all(values[claim["source"]][claim["field"]] == claim["value"] for claim in claims)
    assert values["7203/coverage"]["missing"] == 0


async def test_an_analysis_of_files_names_the_last_day_that_they_have(tmp_path: Path) -> None:
    settings = memory_settings(tmp_path, bar_store="pages", file_dir=tmp_path)
    store = build_bar_store(settings)
    await store.write(BarSeries("file", Interval.D1), daily_bars())
    async with running(settings) as app, client_of(app) as client:
        job = await end_of(client, ANALYSE, {"symbols": ["7203"], "provider": "file"})
    await store.close()
    days = [row["session"] for row in job["result"]["analyses"][0]["sources"] if row["session"]]
    assert job["result"]["session"] == max(days) == "2025-11-05"


async def test_an_analysis_without_bars_fails_with_the_command_that_takes_them(http: httpx2.AsyncClient) -> None:
    job = await end_of(http, ANALYSE, {"symbols": ["6503"], "session": SESSION, "language": "en"})
    assert (job["status"], job["result"]) == ("failed", None)
    command = "kaboom ingest run-daily --wait --provider synthetic --interval 1d=250 --symbol 6503 --session 2025-11-04"
    assert job["error"]["message"] == f"no synthetic 1d bars of 6503 are held; take some by `{command}`"


async def test_a_symbol_of_no_list_gets_no_command_that_would_be_refused(http: httpx2.AsyncClient) -> None:
    job = await end_of(http, ANALYSE, {"symbols": ["9998"], "session": SESSION, "language": "en"})
    said = "no synthetic 1d bars of 9998 are held, and no symbol list has 9998; nearest to it: 999"
    assert (job["status"], job["error"]["message"].startswith(said)) == ("failed", True)


async def test_a_symbol_without_bars_beside_another_has_no_verdict(http: httpx2.AsyncClient) -> None:
    await ingest(http)
    job = await end_of(http, ANALYSE, {"symbols": ["7203", "6503"], "session": SESSION, "sessions": 100})
    assert (job["status"], job["progress"]["done"], job["progress"]["failed"]) == ("partial", 1, 1)
    judged, without = job["result"]["analyses"]
    assert judged["verdict"] is not None
    assert (without["verdict"], without["confidence"], without["points"]) == (None, None, [])
    assert "--symbol 6503" in without["reason"]


async def test_a_dry_run_shows_what_would_be_sent_and_analyses_nothing(http: httpx2.AsyncClient) -> None:
    job = await end_of(http, ANALYSE, {"symbols": ["7203", "6758"], "session": SESSION, "dry_run": True})
    result = job["result"]
    assert result["analyses"] == []
    assert [(one["subject"], one["destination"]) for one in result["previews"]] == [("7203", None), ("6758", None)]
    assert '"subject": "7203"' in result["previews"][0]["user"]


async def test_an_ingest_job_is_explained_to_its_owner_alone(api: FastAPI, http: httpx2.AsyncClient) -> None:
    ended = await ingest(http, sessions=1)
    body = {"kind": "ingest", "job_id": ended["job_id"], "language": "en"}
    job = await end_of(http, ANALYSE, body)
    (one,) = job["result"]["analyses"]
    assert (one["verdict"], one["subject"]) == ("complete", ended["job_id"])
    assert one["points"][0]["text"] == "All 1 items ended, 0 of them failed."
    async with client_of(api, **{"x-ingest-token": OTHER_TOKEN}) as other:
        refused = await other.post(ANALYSE, json=body)
    assert refused.status_code == 422
    assert f"job {ended['job_id']} does not exist in queue ingest" in refused.text


async def test_an_analysis_starts_nothing(http: httpx2.AsyncClient) -> None:
    await ingest(http)
    before, schedules = (await http.get("/api/v1/jobs")).json()["items"], (await http.get("/api/v1/schedules")).json()
    job = await end_of(http, ANALYSE, {"symbols": ["7203"], "session": SESSION})
    after = (await http.get("/api/v1/jobs")).json()["items"]
    assert {one["job_id"] for one in after} == {one["job_id"] for one in before} | {job["job_id"]}
    assert (await http.get("/api/v1/schedules")).json() == schedules


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"symbols": ["7203"], "session": "2025-11-03"}, "#/session"),
        ({"symbols": ["../x"]}, "#/symbols"),
        ({"kind": "ingest"}, "#/job_id"),
    ],
)
async def test_a_bad_request_is_refused(http: httpx2.AsyncClient, body: dict[str, Any], pointer: str) -> None:
    answer = await http.post(ANALYSE, json=body)
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
