"""A roll-up over HTTP: submitted, run by the queue's own routes, and read back with its origin."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import polars as pl
import pytest

from kaboom.bars.open import build_bar_store
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from tests.fixtures.bars.stored_bars import DAILY
from tests.fixtures.jobs.apps import RUN_DAILY, client_of, memory_settings, running

pytestmark = pytest.mark.anyio
MARKET_DATA = "/api/v1/market-data"
ROLL_UP, JOBS = f"{MARKET_DATA}/roll-up", f"{MARKET_DATA}/jobs"
SESSION = "2025-11-04"
SYMBOLS = ["7203", "6758", "9984"]
BODY: dict[str, Any] = {"session": SESSION}


@pytest.fixture
async def market(tmp_path: Path, anyio_backend: str) -> AsyncIterator[httpx2.AsyncClient]:
    """An API that keeps bars in pages, with the minutes and the days of some symbols."""
    settings = memory_settings(tmp_path, bar_store="pages")
    async with running(settings) as app, client_of(app) as client:
        scope = {"intervals": {"1m": 1, "1d": 1}, "symbols": SYMBOLS, "session": SESSION}
        assert (await run_job(client, RUN_DAILY, scope))["status"] == "completed"
        yield client
    await build_bar_store(settings).close()


async def run_job(market: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    accepted = await market.post(path, json=body)
    assert accepted.status_code == 202, accepted.text
    job: dict[str, Any] = {"status": "queued"}
    while job["status"] in {"queued", "running"}:
        job = (await market.get(accepted.headers["location"], headers={"Prefer": "wait=25"})).json()
    return job


async def test_a_roll_up_has_its_queues_routes(market: httpx2.AsyncClient) -> None:
    done = await run_job(market, ROLL_UP, BODY)
    assert (done["queue"], done["task"], done["status"]) == ("market_data", "market_data.roll_up", "completed")
    assert done["links"]["self"] == f"{JOBS}/{done['job_id']}"
    assert done["result"]["outcomes"] == {"ok": 3}
    assert done["result"]["counts"]["days_compared"] == 3
    assert "days_differ" not in done["result"]["counts"]
    listed = (await market.get(JOBS)).json()["items"]
    assert [job["job_id"] for job in listed] == [done["job_id"]]
    stats = (await market.get(f"{JOBS}/stats")).json()
    assert (stats["queue"], stats["by_status"]["completed"]) == ("market_data", 1)
    assert (await market.get(done["links"]["logs"])).status_code == 200
    ingest_jobs = (await market.get("/api/v1/ingest/jobs")).json()["items"]
    assert done["job_id"] not in [job["job_id"] for job in ingest_jobs]
    assert (await market.get(f"/api/v1/ingest/jobs/{done['job_id']}")).status_code == 404


async def test_days_are_the_providers_own_and_are_read_by_their_origin(market: httpx2.AsyncClient) -> None:
    await run_job(market, ROLL_UP, BODY)
    asked = {"interval": "1d", "start": SESSION, "end": "2025-11-05"}
    own = (await market.get("/api/v1/bars/7203", params=asked | {"provider": "synthetic"})).json()
    ours = (await market.get("/api/v1/bars/7203", params=asked | {"provider": "synthetic_from_1m"})).json()
    assert ours["items"] == own["items"]
    assert (ours["provider"], ours["is_real"]) == ("synthetic_from_1m", False)


async def test_a_day_that_differs_is_in_the_counts_and_among_the_notes(
    market: httpx2.AsyncClient, tmp_path: Path
) -> None:
    store = build_bar_store(memory_settings(tmp_path, bar_store="pages"))
    day = (await store.read_session(DAILY, pl.Series([SESSION]).str.to_date()[0])).filter(pl.col("symbol") == "6758")
    await store.write(DAILY, day.with_columns(volume=pl.col("volume") + 100))
    done = await run_job(market, ROLL_UP, BODY)
    assert (done["status"], done["result"]["counts"]["days_differ"]) == ("completed", 1)
    notes = (await market.get(done["links"]["failures"], params={"outcome": "ok"})).json()["items"]
    assert [note["item"] for note in notes] == ["6758"]
    assert f"{SESSION} volume {day['volume'][0]}, theirs {day['volume'][0] + 100}" in notes[0]["message"]


async def test_a_retry_takes_what_is_left(market: httpx2.AsyncClient) -> None:
    done = await run_job(market, ROLL_UP, BODY)
    again = await market.post(done["links"]["retry"], json={"only": "failed"})
    assert (again.status_code, again.json()["detail"].endswith("with nothing left to retry")) == (409, True)


async def test_a_failed_plan_is_tried_again_whole(market: httpx2.AsyncClient) -> None:
    failed = await run_job(market, ROLL_UP, {"session": "2025-06-02"})
    assert (failed["status"], failed["error"]["type"]) == ("failed", "InvalidRequest")
    assert "no 1m bars of synthetic are held" in failed["error"]["message"]
    again = await market.post(failed["links"]["retry"], json={"only": "failed"})
    assert again.status_code == 202
    assert again.headers["location"].startswith(JOBS)


async def test_a_dry_run_writes_nothing(market: httpx2.AsyncClient, tmp_path: Path) -> None:
    done = await run_job(market, ROLL_UP, BODY | {"dry_run": True})
    assert (done["status"], done["progress"]["total"], done["result"]["symbols"]) == ("completed", 0, 3)
    store = build_bar_store(memory_settings(tmp_path, bar_store="pages"))
    assert BarSeries("synthetic_from_1m", Interval.D1) not in await store.list_series()


async def test_a_key_is_the_same_job_and_of_no_other_task(market: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": "nightly"}
    first = await market.post(ROLL_UP, json=BODY, headers=key)
    again = await market.post(ROLL_UP, json=BODY, headers=key)
    assert again.json()["job_id"] == first.json()["job_id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert (await market.post(ROLL_UP, json=BODY | {"symbols": ["7203"]}, headers=key)).status_code == 422


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"intervals": {"1m": 1}}, "/intervals/1m"),
        ({"intervals": {"7m": 1}}, "/intervals"),
        ({"intervals": {"5m": 0}}, "/intervals/5m"),
        ({"intervals": {"5m": "1"}}, "/intervals/5m"),
        ({"intervals": {}}, "/intervals"),
        ({"symbols": ["?"]}, "/symbols"),
        ({"provider": "synthetic_from_1m"}, "/provider"),
        ({"session": "2025-11-03"}, "/session"),
        ({"session": "2099-11-04"}, "/session"),
        ({"market": "TSE_PRIME"}, "/market"),
    ],
    ids=str,
)
async def test_invalid_requests_are_rejected(http: httpx2.AsyncClient, body: dict[str, Any], pointer: str) -> None:
    answer = await http.post(ROLL_UP, json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith(f"#{pointer}")


@pytest.mark.parametrize("path", [ROLL_UP, JOBS, f"{JOBS}/stats"])
async def test_the_token_is_asked_for(http: httpx2.AsyncClient, path: str) -> None:
    assert (await http.get(path, headers={"x-ingest-token": "wrong"})).status_code == 401
