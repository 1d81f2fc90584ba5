"""Requests that no worker could carry out are refused before they are queued."""

from typing import Any

import httpx2
import pytest

pytestmark = pytest.mark.anyio
DAILY, BACKFILL = "/api/v1/ingest/run-daily", "/api/v1/ingest/backfill"
DAYS = {"intervals": {"1d": 1}}


@pytest.mark.parametrize(
    ("path", "body", "pointer", "why"),
    [
        (BACKFILL, DAYS | {"first": "2090-01-01"}, "first", "first was 2090-01-01, expected a day up to "),
        (
            "/api/v1/backtest/run",
            {"strategy": "sma_cross", "symbols": ["7203"], "first": "2090-01-01"},
            "first",
            "a day up",
        ),
        (DAILY, {"all_days": True}, "all_days", "only provider file takes"),
        (DAILY, {"first": "2024-01-04"}, "first", "only provider file takes"),
        (DAILY, {}, "intervals", "intervals was missing"),
        (DAILY, {"intervals": {"1d": 5_001}}, "intervals/1d", "expected at most 5000"),
        (DAILY, DAYS | {"first": "2024-01-05", "session": "2024-01-04"}, "first", "expected them in order"),
        (DAILY, DAYS | {"first": "2024-01-05", "all_days": True}, "first", "expected one of both"),
    ],
)
async def test_it_is_refused_with_its_field(
    http: httpx2.AsyncClient, path: str, body: dict[str, Any], pointer: str, why: str
) -> None:
    answer = await http.post(path, json=body)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert error["pointer"] == f"#/{pointer}"
    assert why in error["detail"]


async def test_a_symbol_that_had_left_the_market_is_refused(http: httpx2.AsyncClient) -> None:
    answer = await http.post(DAILY, json=DAYS | {"symbols": ["9613"], "session": "2026-10-30"})
    assert answer.status_code == 422, answer.text
    assert "9613 was not listed on 2026-10-30: left after " in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize("path", [DAILY, BACKFILL, "/api/v1/market-data/refresh-quotes"])
async def test_a_code_that_no_list_has_is_refused_with_the_nearest(http: httpx2.AsyncClient, path: str) -> None:
    body = {} if path.endswith("quotes") else DAYS
    answer = await http.post(path, json=body | {"symbols": ["7203", "9998"]})
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "#/symbols"
    assert "symbols had 9998, which no symbol list has; nearest to 9998: 9997, " in error["detail"]
    assert "`kaboom symbols import` takes a newer one" in error["detail"]


async def test_a_schedule_of_such_a_code_is_refused(http: httpx2.AsyncClient) -> None:
    body = {"task": "ingest.run_daily", "request": DAYS | {"symbols": ["9998"]}, "cron": "0 18 * * *", "name": "x"}
    answer = await http.post("/api/v1/schedules", json=body)
    assert answer.status_code == 422, answer.text
    assert "no symbol list has" in answer.text
