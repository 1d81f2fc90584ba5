"""`/api/v1/fundamentals`: what was public at a moment, taken by a real job from the synthetic provider."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.disclosures.store import open_disclosures
from kaboom.drivers.clock import utc_now
from kaboom.market.calendar import JST
from kaboom.market.disclosure import CompanyEvent, Disclosures, Statement
from tests.fixtures.disclosures.made import make_event, make_statement
from tests.fixtures.jobs.apps import client_of, jobs_of, memory_settings, running

pytestmark = pytest.mark.anyio
PATH = "/api/v1/fundamentals"


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[FastAPI]:
    """The API in memory."""
    async with running(memory_settings(tmp_path, provider="synthetic")) as app:
        yield app


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(app) as client:
        yield client


async def plant(app: FastAPI, *rows: Statement | CompanyEvent) -> None:
    store = jobs_of(app).parts.database.open(open_disclosures)
    statements = [row for row in rows if isinstance(row, Statement)]
    events = [row for row in rows if isinstance(row, CompanyEvent)]
    await store.save("synthetic", Disclosures(statements, events), now=utc_now())


async def get(http: httpx2.AsyncClient, path: str = f"{PATH}/7203", **query: Any) -> dict[str, Any]:
    answer = await http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_job_takes_statements_that_the_route_shows(http: httpx2.AsyncClient) -> None:
    body = {"provider": "synthetic", "symbols": ["7203", "6758"]}
    answer = await http.post("/api/v1/market-data/fundamentals", json=body)
    assert answer.status_code == 202, answer.text
    async with asyncio.timeout(60):
        while True:
            job = (await http.get(answer.headers["location"])).json()
            if job["completed_at"]:
                break
            await asyncio.sleep(0.05)
    assert job["status"] == "completed"
    assert job["result"]["outcomes"] == {"ok": 2}
    assert job["result"]["counts"]["documents"] > 50
    found = await get(http)
    assert (found["symbol"], found["provider"], found["is_real"]) == ("7203", "synthetic", False)
    moments = [each["disclosed_at"] for each in found["statements"]]
    assert len(moments) == 40
    assert moments == sorted(moments, reverse=True)
    market = await get(http, PATH)
    assert [each["symbol"] for each in market["items"]] == ["6758", "7203"]
    assert market["items"][1] == found["statements"][0]


async def test_a_moment_shows_what_was_public_then(app: FastAPI, http: httpx2.AsyncClient) -> None:
    await plant(app, make_statement(at="2025-05-08 15:00"), make_statement(at="2025-05-22 16:00", sales=9e9))
    assert [each["sales"] for each in (await get(http))["statements"]] == [9e9, 1e9]
    for at, sales in [("14:59:59", []), ("15:00:00", [1e9])]:
        found = await get(http, as_of=f"2025-05-08T{at}+09:00")
        assert [each["sales"] for each in found["statements"]] == sales
        market = await get(http, PATH, as_of=f"2025-05-08T{at}+09:00")
        assert [each["sales"] for each in market["items"]] == sales
    # A day begins at 00:00 in Japan.
    assert (await get(http, as_of="2025-05-08"))["statements"] == []
    assert len((await get(http, limit=1))["statements"]) == 1


async def test_the_next_announcement_is_the_first_that_is_still_to_come(app: FastAPI, http: httpx2.AsyncClient) -> None:
    today = utc_now().astimezone(JST).date()
    days = {"1Q": -9, "2Q": 0, "3Q": 60}
    events = [
        make_event(document=period, subject=period, period=period, day=today + timedelta(days=days[period]))
        for period in days
    ]
    await plant(app, *events, make_event(document="unknown", subject="FY", period="FY", day=None))
    found = await get(http)
    assert found["next_announcement"]["period"] == "2Q"
    assert [each["period"] for each in found["events"]] == ["1Q", "2Q", "3Q", "FY"]
    early = await get(http, as_of="2025-07-01T12:00:00+09:00")
    assert early["next_announcement"]["day"] == str(today - timedelta(days=9))


async def test_the_market_has_the_newest_statement_of_each_symbol_by_code(
    app: FastAPI, http: httpx2.AsyncClient
) -> None:
    rows = [make_statement(symbol, at="2025-05-08 15:00") for symbol in ("9984", "1301", "6758")]
    await plant(
        app, *rows, make_statement("1301", at="2025-02-03 15:00"), make_statement("7203", at="2020-02-03 15:00")
    )
    found = await get(http, PATH, as_of="2025-12-01")
    assert [(each["symbol"], each["document"][-16:]) for each in found["items"]] == [
        (symbol, "2025-05-08 15:00") for symbol in ("1301", "6758", "9984")
    ]
    assert [each["symbol"] for each in (await get(http, PATH, as_of="2025-12-01", limit=2))["items"]] == [
        "1301",
        "6758",
    ]


@pytest.mark.parametrize(
    ("path", "query", "why"),
    [
        (f"{PATH}/7203", {"provider": "yahoo"}, "which has no statements, supported are synthetic, jquants"),
        (f"{PATH}/TOYOTA", {}, "expected a TSE local code"),
        (f"{PATH}/7203", {"as_of": "2090-01-01"}, "or earlier"),
        (PATH, {"as_of": "2090-01-01"}, "or earlier"),
        (f"{PATH}/7203", {"limit": 0}, "greater than or equal to 1"),
    ],
)
async def test_what_cannot_be_shown_is_refused(
    http: httpx2.AsyncClient, path: str, query: dict[str, Any], why: str
) -> None:
    answer = await http.get(path, params=query)
    assert answer.status_code == 422
    assert why in answer.text


async def test_a_symbol_without_statements_has_none(http: httpx2.AsyncClient) -> None:
    found = await get(http, f"{PATH}/72030", provider="synthetic")
    assert (found["symbol"], found["statements"], found["next_announcement"]) == ("7203", [], None)
