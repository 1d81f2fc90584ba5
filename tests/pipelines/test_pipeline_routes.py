"""`/api/v1/pipelines` and `/api/v1/pipeline-runs`, with the jobs of the steps run by real workers in this process."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from fastapi import FastAPI

import kaboom.pipelines
from kaboom.drivers.clock import utc_now
from kaboom.market.calendar import last_sessions, latest_closed_session
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.synthetic.provider import SyntheticProvider
from kaboom.web.auth.scopes import Scope
from tests.fixtures.accounts.callers import add_token
from tests.fixtures.jobs.apps import OTHER_OWNER, OTHER_TOKEN, client_of, jobs_of, memory_settings, running

pytestmark = pytest.mark.anyio
PIPELINES, RUNS = "/api/v1/pipelines", "/api/v1/pipeline-runs"
SYMBOLS = ["1301", "1332", "1333"]
EXAMPLE = Path(kaboom.pipelines.__path__[0], "example.yaml").read_text(encoding="utf-8")
INGEST = {
    "name": "ingest",
    "task": "ingest.run_daily",
    "params": {"provider": "synthetic", "symbols": SYMBOLS, "intervals": {"1m": 1}, "session": "{session}"},
}
ROLL_UP = {
    "name": "roll_up",
    "task": "market_data.roll_up",
    "needs": ["ingest"],
    "params": {"provider": "synthetic", "symbols": SYMBOLS, "intervals": {"1d": 1}},
}
INDICATORS = {
    "name": "indicators",
    "task": "market_data.indicators",
    "needs": ["roll_up"],
    "params": {"provider": "synthetic_from_1m", "indicators": ["sma:5"], "interval": "1d", "sessions": 5},
}
MORNING: dict[str, Any] = {"name": "morning", "steps": [INDICATORS, ROLL_UP, INGEST]}


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Symbols for which the provider has no answer: `provider_error`; none at first."""
    symbols: set[str] = set()
    fetch = SyntheticProvider.fetch_bars

    async def fetch_others(self: SyntheticProvider, request: BarRequest) -> FetchedBars:
        found = await fetch(self, request)
        return replace(found, bars=found.bars.filter(~found.bars["symbol"].is_in(sorted(symbols))))

    monkeypatch.setattr(SyntheticProvider, "fetch_bars", fetch_others)
    return symbols


async def apply(http: httpx2.AsyncClient, pipeline: dict[str, Any] = MORNING) -> dict[str, Any]:
    answer = await http.post(PIPELINES, json=pipeline)
    assert answer.status_code in {200, 201}, answer.text
    saved: dict[str, Any] = answer.json()
    return saved


async def start(http: httpx2.AsyncClient, name: str = "morning", **body: Any) -> list[dict[str, Any]]:
    answer = await http.post(f"{PIPELINES}/{name}/runs", json=body)
    assert answer.status_code == 202, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def ended(http: httpx2.AsyncClient, run_id: str, within_s: float = 60) -> dict[str, Any]:
    async with asyncio.timeout(within_s):
        while True:
            run: dict[str, Any] = (await http.get(f"{RUNS}/{run_id}")).json()
            if run["ended_at"]:
                return run
            await asyncio.sleep(0.1)


def states(run: dict[str, Any]) -> dict[str, str]:
    return {step["name"]: step["status"] for step in run["steps"]}


async def test_a_pipeline_is_saved_with_its_steps_in_order(http: httpx2.AsyncClient) -> None:
    answer = await http.post(PIPELINES, json=MORNING)
    assert (answer.status_code, answer.headers["location"]) == (201, f"{PIPELINES}/morning")
    assert [step["name"] for step in answer.json()["steps"]] == ["ingest", "roll_up", "indicators"]
    assert (await http.post(PIPELINES, json=MORNING)).status_code == 200
    assert [each["name"] for each in (await http.get(PIPELINES)).json()["items"]] == ["morning"]


async def test_all_faults_are_named_at_once(http: httpx2.AsyncClient) -> None:
    steps = [
        {"name": "a", "task": "ingest.run_dayly", "needs": ["b"]},
        {"name": "b", "task": "market_data.roll_up", "needs": ["a", "nobody"], "params": {"intervals": {"7m": 1}}},
        {"name": "c", "task": "market_data.start_pipeline", "params": {"pipeline": "bad"}},
        {"name": "d", "task": "market_data.roll_up", "params": {"intervall": {"1d": 1}}},
    ]
    bad = {"name": "bad", "start": {"on_job": "nothing.at_all"}, "steps": steps}
    answer = await http.post(PIPELINES, json=bad)
    assert answer.status_code == 422
    faults = {fault["pointer"]: fault["detail"] for fault in answer.json()["errors"]}
    assert set(faults) == {
        "#/start/on_job", "#/steps/0/task", "#/steps/0/needs", "#/steps/1/needs/1", "#/steps/1/params/intervals",
        "#/steps/2/task", "#/steps/3/params/intervall",
    }  # fmt: skip
    assert faults["#/steps/0/needs"] == "steps wait for one another: a, b"
    assert "expected one of" in faults["#/steps/0/task"]
    assert (await http.get(f"{PIPELINES}/bad")).status_code == 404


async def test_three_steps_run_over_sessions_in_order(http: httpx2.AsyncClient) -> None:
    await apply(http)
    days = last_sessions(3, latest_closed_session(utc_now()))
    items = await start(http, first=days[0].isoformat(), last=days[-1].isoformat())
    assert [item["session"] for item in items] == [day.isoformat() for day in days]
    runs = [await ended(http, item["run_id"]) for item in items]
    assert [states(run) for run in runs] == [dict.fromkeys(("ingest", "roll_up", "indicators"), "completed")] * 3
    assert [run["status"] for run in runs] == ["completed"] * 3
    assert [run["ended_at"] for run in runs] == sorted(run["ended_at"] for run in runs)
    job = (await http.get(f"/api/v1/market-data/jobs/{runs[1]['steps'][1]['job_id']}")).json()
    assert job["request"]["session"] == days[1].isoformat()
    again = await start(http, session=days[0].isoformat())
    assert again == [
        {"run_id": items[0]["run_id"], "session": days[0].isoformat(), "status": "completed", "is_new": False}
    ]
    second = (await start(http, session=days[0].isoformat(), again=True))[0]
    assert second["is_new"]
    assert (await ended(http, second["run_id"]))["n"] == 2


async def test_a_partial_ingest_stops_what_must_not_run_on_it(http: httpx2.AsyncClient, failing: set[str]) -> None:
    failing.add("1333")
    digest = ROLL_UP | {"name": "digest", "on": "any", "needs": ["indicators"]}
    await apply(http, {"name": "morning", "steps": [INGEST, ROLL_UP, INDICATORS, digest]})
    run = await ended(http, (await start(http))[0]["run_id"])
    assert states(run) == {"ingest": "partial", "roll_up": "skipped", "indicators": "skipped", "digest": "completed"}
    assert run["status"] == "partial"
    assert [step["reason"] for step in run["steps"][1:3]] == [
        "ingest was partial, and the step runs on completed",
        "roll_up was skipped, and the step runs on completed",
    ]


async def test_a_step_takes_the_symbols_that_another_passed(http: httpx2.AsyncClient) -> None:
    saved = {
        "name": "some",
        "expression": f'symbol in ("{SYMBOLS[1]}", "{SYMBOLS[2]}")',
        "provider": "synthetic_from_1m",
    }
    assert (await http.post("/api/v1/screens", json=saved)).status_code == 201
    await http.post("/api/v1/screens", json=saved | {"name": "none", "expression": "close < 0"})
    screen = {"name": "screen", "task": "market_data.screen", "needs": ["roll_up"], "params": {"screen": "some"}}
    none = screen | {"name": "none", "params": {"screen": "none"}}
    params = {"symbols": "{passed:screen}", "provider": "synthetic_from_1m", "sessions": 30}
    analyse = {"name": "analyse", "task": "ai_analysis.analyse", "needs": ["screen"], "params": params}
    idle = analyse | {"name": "idle", "needs": ["none"], "params": params | {"symbols": "{passed:none}"}}
    await apply(http, {"name": "morning", "steps": [INGEST, ROLL_UP, screen, none, analyse, idle]})
    run = await ended(http, (await start(http))[0]["run_id"])
    assert states(run) == dict.fromkeys(("ingest", "roll_up", "screen", "none", "analyse"), "completed") | {
        "idle": "skipped"
    }
    steps = {step["name"]: step for step in run["steps"]}
    assert steps["idle"]["reason"] == "none passed no symbol"
    job = (await http.get(f"/api/v1/ai-analysis/jobs/{steps['analyse']['job_id']}")).json()
    assert sorted(job["request"]["symbols"]) == SYMBOLS[1:]
    bad = {"name": "bad", "steps": [screen | {"needs": []}, analyse | {"needs": []}]}
    (fault,) = (await http.post(PIPELINES, json=bad)).json()["errors"]
    assert fault["detail"] == "step analyse takes what screen passed, and does not need it"


async def test_a_retry_runs_what_did_not_complete(http: httpx2.AsyncClient, failing: set[str]) -> None:
    failing.add("1333")
    await apply(http, {"name": "morning", "steps": [INGEST, ROLL_UP | {"on": "partial"}, INDICATORS]})
    run = await ended(http, (await start(http))[0]["run_id"])
    assert states(run) == {"ingest": "partial", "roll_up": "completed", "indicators": "completed"}
    again = await http.post(f"{RUNS}/{run['run_id']}/retry")
    assert again.status_code == 200, again.text
    second = await ended(http, run["run_id"])
    assert second["status"] == "partial"
    failing.clear()
    assert (await http.post(f"{RUNS}/{run['run_id']}/retry")).status_code == 200
    after = await ended(http, run["run_id"])
    assert after["status"] == "completed"
    assert (await http.post(f"{RUNS}/{run['run_id']}/retry")).status_code == 409
    first = after["steps"][0]
    assert first["earlier"] == [each["steps"][0]["job_id"] for each in (run, second)]
    job = (await http.get(f"/api/v1/ingest/jobs/{first['job_id']}")).json()
    assert (job["parent_id"], job["attempt"], job["request"]["only"]) == (first["earlier"][-1], 3, {"1m": ["1333"]})
    assert [step["job_id"] for step in after["steps"][1:]] == [step["job_id"] for step in run["steps"][1:]]


async def test_a_run_is_cancelled_as_one(http: httpx2.AsyncClient) -> None:
    large = INGEST | {"params": {"provider": "synthetic", "intervals": {"1m": 20}}}
    await apply(http, {"name": "morning", "steps": [large, ROLL_UP]})
    run_id = (await start(http))[0]["run_id"]
    async with asyncio.timeout(30):
        while (await http.get(f"{RUNS}/{run_id}")).json()["steps"][0]["job_id"] is None:  # noqa: ASYNC110  of a task in the app
            await asyncio.sleep(0.05)
    assert (await http.post(f"{RUNS}/{run_id}/cancel")).json()["status"] == "cancelling"
    run = await ended(http, run_id)
    assert (run["status"], states(run)) == ("cancelled", {"ingest": "cancelled", "roll_up": "cancelled"})
    assert (await http.post(f"{RUNS}/{run_id}/cancel")).status_code == 409
    assert (await http.delete(f"{PIPELINES}/morning")).status_code == 204


async def test_the_end_of_an_ingest_starts_a_run_of_its_session(http: httpx2.AsyncClient) -> None:
    start_on = {"on_job": "ingest.run_daily", "on": ["completed"], "where": {"symbols": SYMBOLS}}
    await apply(http, {"name": "after", "start": start_on, "steps": [ROLL_UP | {"needs": []}]})
    day = last_sessions(4, latest_closed_session(utc_now()))[0]
    body = INGEST["params"] | {"session": day.isoformat()}  # type: ignore[operator]
    submitted = await http.post("/api/v1/ingest/run-daily", json=body)
    async with asyncio.timeout(60):
        while not (found := (await http.get(f"{PIPELINES}/after/runs")).json()["items"]):  # noqa: ASYNC110  of a task in the app
            await asyncio.sleep(0.1)
    run = await ended(http, found[0]["run_id"])
    assert (run["session"], run["started_by"], run["status"]) == (day.isoformat(), "job", "completed")
    assert run["trigger_job_id"] == submitted.json()["job_id"]


async def test_a_job_starts_no_run_of_a_day_without_trading(http: httpx2.AsyncClient) -> None:
    sunday = {"pipeline": "morning", "session": "2025-11-02"}
    refused = await http.post("/api/v1/market-data/start-pipeline", json=sunday)
    assert (refused.status_code, [each["pointer"] for each in refused.json()["errors"]]) == (422, ["#/session"])


async def test_a_schedule_starts_a_run(http: httpx2.AsyncClient) -> None:
    await apply(http, {"name": "morning", "steps": [INGEST]})
    body = {
        "name": "m",
        "task": "market_data.start_pipeline",
        "request": {"pipeline": "morning"},
        "session_at": "16:35",
    }
    schedule = (await http.post("/api/v1/schedules", json=body)).json()
    fired = await http.post(f"/api/v1/schedules/{schedule['schedule_id']}/run")
    job = (await http.get(fired.headers["location"], headers={"prefer": "wait=20"})).json()
    assert job["status"] == "completed", job
    run = await ended(http, job["result"]["run_id"])
    assert (run["started_by"], run["session"]) == ("schedule", latest_closed_session(utc_now()).isoformat())


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"session": "2025-11-03"}, "#/session"),
        ({"session": "2999-11-04"}, "#/session"),
        ({"first": "2025-11-04", "session": "2025-11-04"}, "#/session"),
        ({"last": "2025-11-04"}, "#/first"),
        ({"first": "2025-11-05", "last": "2025-11-04"}, "#/first"),
        ({"first": "1990-01-04"}, "#/last"),
        ({"first": f"{utc_now():%Y-%m-%d}", "last": f"{utc_now() + timedelta(days=2):%Y-%m-%d}"}, "#/last"),
    ],
)
async def test_sessions_that_cannot_run_are_rejected(
    http: httpx2.AsyncClient, body: dict[str, str], pointer: str
) -> None:
    await apply(http)
    answer = await http.post(f"{PIPELINES}/morning/runs", json=body)
    assert (answer.status_code, [fault["pointer"] for fault in answer.json()["errors"]]) == (422, [pointer]), (
        answer.text
    )


async def test_a_step_that_this_version_cannot_run_fails_with_the_reason(
    app: FastAPI, http: httpx2.AsyncClient
) -> None:
    await apply(http, {"name": "morning", "steps": [INGEST, ROLL_UP]})
    run_id = (await start(http, session=latest_closed_session(utc_now()).isoformat()))[0]["run_id"]
    catalog = jobs_of(app).parts.catalog
    taken = catalog._by_name.pop("ingest.run_daily")
    try:
        run = await ended(http, run_id)
    finally:
        catalog._by_name["ingest.run_daily"] = taken
    assert states(run) == {"ingest": "failed", "roll_up": "skipped"}
    assert "which this version does not have" in run["steps"][0]["reason"]


async def test_who_may_not_submit_a_job_of_a_step_neither_saves_nor_runs_its_pipeline(
    app: FastAPI, http: httpx2.AsyncClient
) -> None:
    await apply(http)
    _, token = await add_token(app, Scope.JOBS_READ, Scope.SCHEDULES_WRITE)
    async with client_of(app, **{"x-ingest-token": token}) as other:
        for path, body in ((PIPELINES, MORNING), (f"{PIPELINES}/morning/runs", {})):
            answer = await other.post(path, json=body)
            assert (answer.status_code, "ingest" in answer.json()["detail"]) == (403, True), answer.text


async def test_a_pipeline_belongs_to_its_owner(tmp_path: Path) -> None:
    async with running(memory_settings(tmp_path), [OTHER_OWNER]) as app, client_of(app) as http:
        await apply(http)
        run_id = (await start(http))[0]["run_id"]
        async with client_of(app, **{"x-ingest-token": OTHER_TOKEN}) as other:
            assert (await other.get(PIPELINES)).json()["items"] == []
            for method, path in (
                ("GET", f"{PIPELINES}/morning"), ("DELETE", f"{PIPELINES}/morning"), ("GET", f"{RUNS}/{run_id}"),
                ("POST", f"{RUNS}/{run_id}/cancel"), ("POST", f"{RUNS}/{run_id}/retry"),
            ):  # fmt: skip
                assert (await other.request(method, path)).status_code == 404, path


async def test_the_example_is_accepted(http: httpx2.AsyncClient) -> None:
    await apply(http, yaml.safe_load(EXAMPLE.replace("    on:", '    "on":')))
