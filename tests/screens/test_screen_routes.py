"""`/api/v1/screens` and `/api/v1/screen-matches`, with jobs run by real workers in this process."""

import asyncio
from datetime import date
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kaboom.market.calendar import last_sessions
from tests.fixtures.jobs.apps import OTHER_OWNER, OTHER_TOKEN, client_of, memory_settings, running

pytestmark = pytest.mark.anyio
SCREENS, MATCHES, RUN = "/api/v1/screens", "/api/v1/screen-matches", "/api/v1/market-data/screen"
DAYS = last_sessions(3, date(2025, 11, 6))
SYMBOLS = ["1301", "1332", "1333", "7203"]
SCREEN = {"name": "rising", "expression": "change_1d > 0", "provider": "synthetic"}


async def ended(http: httpx2.AsyncClient, answer: httpx2.Response) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    async with asyncio.timeout(60):
        while True:
            job: dict[str, Any] = (await http.get(answer.headers["location"])).json()
            if job["completed_at"]:
                return job
            await asyncio.sleep(0.05)


async def ingest(http: httpx2.AsyncClient) -> None:
    body = {"provider": "synthetic", "symbols": SYMBOLS, "intervals": {"1d": 90}, "session": DAYS[-1].isoformat()}
    assert (await ended(http, await http.post("/api/v1/ingest/run-daily", json=body)))["status"] == "completed"


async def ask(http: httpx2.AsyncClient, expression: str, **query: Any) -> httpx2.Response:
    session = {"session": DAYS[-1].isoformat(), "provider": "synthetic"}
    return await http.get(MATCHES, params=session | {"expression": expression} | query)


async def test_an_expression_is_asked_once(http: httpx2.AsyncClient) -> None:
    await ingest(http)
    everything = (await ask(http, "close > 0")).json()
    assert (everything["seen"], everything["passed"], everything["unknown"]) == (4, 4, 0)
    assert everything["columns"] == ["close", "change_1d", "turnover"]
    rising = [item["symbol"] for item in everything["items"] if item["values"]["change_1d"] > 0]
    found = (await ask(http, "change_1d > 0 and sma_75 > 0", market="TSE_PRIME")).json()
    assert [item["symbol"] for item in found["items"]] == rising
    assert (found["session"], found["provider"], found["market"]) == (DAYS[-1].isoformat(), "synthetic", "TSE_PRIME")
    assert len((await ask(http, "close > 0", limit=2)).json()["items"]) == 2
    unknown = (await ask(http, "sma_200 > 0")).json()
    assert (unknown["passed"], unknown["unknown"]) == (0, 4)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"expression": "rsi14 < 30"}, "#/expression"),
        ({"expression": "close > 0", "session": "2025-11-03"}, "#/session"),
        ({"expression": "close > 0", "session": "2015-01-05"}, "#/session"),
    ],
)
async def test_a_fault_names_its_field(http: httpx2.AsyncClient, query: dict[str, str], pointer: str) -> None:
    answer = await ask(http, **query)
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


async def test_a_screen_is_saved_run_and_says_what_entered_and_left(http: httpx2.AsyncClient) -> None:
    await ingest(http)
    saved = await http.post(SCREENS, json=SCREEN)
    assert (saved.status_code, saved.headers["location"]) == (201, f"{SCREENS}/rising")
    assert (await http.post(SCREENS, json=SCREEN)).status_code == 200
    jobs = [
        await ended(http, await http.post(RUN, json={"screen": "rising", "session": day.isoformat()})) for day in DAYS
    ]
    results = [job["result"] for job in jobs]
    assert [job["status"] for job in jobs] == ["completed"] * 3
    for result, day in zip(results, DAYS, strict=True):
        found = (await ask(http, "change_1d > 0", session=day.isoformat())).json()
        assert result["symbols"] == [item["symbol"] for item in found["items"]]
    first, second, third = (set(result["symbols"]) for result in results)
    assert (results[0]["entered"], results[0]["left"]) == (None, None)
    assert (set(results[1]["entered"]), set(results[1]["left"])) == (second - first, first - second)
    items = (await http.get(f"{SCREENS}/rising/sessions")).json()["items"]
    assert [item["session"] for item in items] == [day.isoformat() for day in reversed(DAYS)]
    assert (set(items[0]["entered"]), set(items[0]["left"])) == (third - second, second - third)
    assert first ^ second or second ^ third
    listed = (await http.get(SCREENS)).json()["items"]
    assert [(each["name"], each["last"]["session"]) for each in listed] == [("rising", DAYS[-1].isoformat())]
    assert (await http.delete(f"{SCREENS}/rising")).status_code == 204
    assert (await http.get(f"{SCREENS}/rising")).status_code == 404


async def test_a_bad_screen_is_refused_whole(http: httpx2.AsyncClient) -> None:
    answer = await http.post(SCREENS, json=SCREEN | {"expression": "close >", "name": "A b"})
    assert answer.status_code == 422
    answer = await http.post(SCREENS, json=SCREEN | {"expression": "close >"})
    assert answer.json()["errors"][0]["pointer"] == "#/expression"
    assert (await http.get(SCREENS)).json()["items"] == []


async def test_a_job_of_a_screen_that_is_gone_fails(http: httpx2.AsyncClient) -> None:
    job = await ended(http, await http.post(RUN, json={"screen": "nobody"}))
    assert job["status"] == "failed"
    assert "screen 'nobody' does not exist" in job["error"]["message"]


async def test_a_job_that_can_judge_no_symbol_fails(http: httpx2.AsyncClient) -> None:
    await ingest(http)
    await http.post(SCREENS, json=SCREEN | {"expression": "sma_200 > 0"})
    job = await ended(http, await http.post(RUN, json={"screen": "rising", "session": DAYS[-1].isoformat()}))
    assert job["status"] == "failed"
    assert job["error"]["message"] == (
        "none of 4 symbols has the 200 sessions that the condition needs: "
        "kaboom ingest run-daily --wait --provider synthetic --interval 1d=200"
    )
    assert (await http.get(f"{SCREENS}/rising/sessions")).json()["items"] == []


async def test_another_owner_sees_no_screen(tmp_path: Path) -> None:
    async with running(memory_settings(tmp_path), [OTHER_OWNER]) as app, client_of(app) as http:
        await http.post(SCREENS, json=SCREEN)
        async with client_of(app, **{"x-ingest-token": OTHER_TOKEN}) as other:
            assert (await other.get(SCREENS)).json()["items"] == []
            assert (await other.get(f"{SCREENS}/rising")).status_code == 404
