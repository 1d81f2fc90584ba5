"""Quotes, symbol lists and indicators over HTTP: submitted, run, read back; and what is refused before it is queued."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import polars as pl
import pytest

from kaboom.bars.open import build_bar_store
from kaboom.bars.open_provider import build_provider
from tests.fixtures.jobs.apps import RUN_DAILY, SCHEDULES, client_of, memory_settings, running
from tests.fixtures.jobs.job_steps import until
from tests.fixtures.providers.fake_jquants import API_KEY, FakeJquants, jquants_server
from tests.fixtures.providers.provider_faults import say_status

pytestmark = pytest.mark.anyio
MARKET_DATA = "/api/v1/market-data"
QUOTES, SYMBOLS, INDICATORS = (f"{MARKET_DATA}/{name}" for name in ("refresh-quotes", "refresh-symbols", "indicators"))
SOME = ["7203", "6758", "9984"]
SESSION = "2025-11-04"
CHOSEN: dict[str, Any] = {"indicators": ["sma:5", "rsi:3"], "sessions": 10, "session": SESSION}


@pytest.fixture
def jquants() -> Iterator[FakeJquants]:
    with jquants_server() as fake:
        yield fake


@pytest.fixture
async def market(tmp_path: Path, jquants: FakeJquants, anyio_backend: str) -> AsyncIterator[httpx2.AsyncClient]:
    """An API that keeps bars in pages, and may ask J-Quants."""
    settings = memory_settings(
        tmp_path, bar_store="pages", jquants_api_key=API_KEY, jquants_base_url=jquants.url, fetch_attempts=1
    )
    async with running(settings) as app, client_of(app) as client:
        yield client
    await build_provider(settings, "jquants").close()
    await build_bar_store(settings).close()


async def run_job(market: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    accepted = await market.post(path, json=body)
    assert accepted.status_code == 202, accepted.text
    job: dict[str, Any] = {"status": "queued"}
    while job["status"] in {"queued", "running"}:
        job = (await market.get(accepted.headers["location"], headers={"Prefer": "wait=25"})).json()
    return job


async def events_of(market: httpx2.AsyncClient, job: dict[str, Any], last: str) -> list[str]:
    """Return the events of a log once it holds this one."""

    async def ask() -> list[str]:
        await asyncio.sleep(0.02)
        lines = (await market.get(job["links"]["logs"], params={"limit": 200})).json()["items"]
        return [line["event"] for line in lines]

    return await until(ask, lambda events: last in events, within_s=20)


async def test_quotes_make_the_newest_bars_fresh(market: httpx2.AsyncClient) -> None:
    done = await run_job(market, QUOTES, {"symbols": SOME, "interval": "5m"})
    assert (done["queue"], done["task"], done["status"]) == ("market_data", "market_data.refresh_quotes", "completed")
    assert done["progress"]["total"] == 3
    latest = (await market.get("/api/v1/bars/latest", params={"interval": "5m"})).json()["items"]
    assert {row["symbol"] for row in latest} == set(SOME)
    # Nobody is asked again for what is final.
    again = await run_job(market, QUOTES, {"symbols": SOME, "interval": "5m"})
    assert again["progress"]["total"] == (0 if done["result"]["is_final"] else 3)


async def test_a_retry_of_quotes_takes_what_failed_of_the_same_session(
    market: httpx2.AsyncClient, jquants: FakeJquants
) -> None:
    jquants.faults_by_code["67580"] = say_status(500)
    body = {"provider": "jquants", "symbols": ["7203", "6758"], "interval": "1m"}
    partial = await run_job(market, QUOTES, body)
    assert partial["status"] == "partial"
    failures = (await market.get(partial["links"]["failures"])).json()["items"]
    assert [(f["item"], f["outcome"]) for f in failures] == [("6758", "provider_error")]
    jquants.faults_by_code.clear()
    accepted = await market.post(partial["links"]["retry"], json={"only": "failed"})
    child = (await market.get(accepted.headers["location"], headers={"Prefer": "wait=25"})).json()
    while child["status"] in {"queued", "running"}:
        child = (await market.get(accepted.headers["location"], headers={"Prefer": "wait=25"})).json()
    assert (child["status"], child["progress"]["total"]) == ("completed", 1)
    assert child["result"]["session"] == partial["result"]["session"]


async def test_a_symbol_list_is_kept_and_its_changes_are_reported(market: httpx2.AsyncClient, tmp_path: Path) -> None:
    done = await run_job(market, SYMBOLS, {"provider": "jquants", "session": SESSION, "most_lost_percent": 100})
    assert (done["status"], done["progress"]["total"]) == ("completed", 0)
    result = done["result"]
    assert (result["session"], result["previous"]) == (SESSION, "2024-03-29")
    assert result["markets"] == {"TSE_PRIME": 2, "TSE_STANDARD": 1, "TSE_GROWTH": 1}
    assert [row["symbol"] for row in result["changes"]["listed"]["first"]] == ["285A"]
    assert result["changes"]["delisted"]["count"] > 3_000
    events = await events_of(market, done, "symbol_moved")
    assert {"symbols_refreshed", "symbol_listed", "symbol_delisted", "symbol_renamed"} <= set(events)
    universe = (await market.get("/api/v1/universe", params={"market": "TSE_PRIME", "session": SESSION})).json()
    assert ([row["symbol"] for row in universe["items"]], universe["as_of"]) == (["6758", "7203"], SESSION)


async def test_a_part_of_a_list_is_refused_and_nothing_is_kept(market: httpx2.AsyncClient, tmp_path: Path) -> None:
    failed = await run_job(market, SYMBOLS, {"provider": "jquants", "session": SESSION})
    assert (failed["status"], failed["error"]["type"]) == ("failed", "Conflict")
    assert "expected at most 5 %: it was not imported" in failed["error"]["message"]
    assert not (tmp_path / "symbols").exists()


async def test_a_dry_run_tells_the_changes_and_keeps_nothing(market: httpx2.AsyncClient, tmp_path: Path) -> None:
    body = {"provider": "jquants", "session": SESSION, "most_lost_percent": 100, "dry_run": True}
    done = await run_job(market, SYMBOLS, body)
    assert (done["status"], done["result"]["path"]) == ("completed", None)
    assert done["result"]["changes"]["listed"]["count"] == 1
    assert not (tmp_path / "symbols").exists()


async def test_indicators_are_files_that_polars_opens(market: httpx2.AsyncClient) -> None:
    scope = {"intervals": {"1d": 30}, "symbols": SOME, "session": SESSION}
    assert (await run_job(market, RUN_DAILY, scope))["status"] == "completed"
    done = await run_job(market, INDICATORS, CHOSEN)
    assert (done["task"], done["status"], done["result"]["outcomes"]) == (
        "market_data.indicators", "completed", {"ok": 3},
    )  # fmt: skip
    table = pl.read_parquet(Path(done["result"]["folder"]) / "*.parquet")
    assert (table.height, set(table["symbol"])) == (30, set(SOME))
    assert not table.select(done["result"]["columns"]).null_count().sum_horizontal().item()
    again = await market.post(done["links"]["retry"], json={"only": "failed"})
    assert again.status_code == 409


async def test_indicators_of_nothing_fail_and_say_so(market: httpx2.AsyncClient) -> None:
    failed = await run_job(market, INDICATORS, CHOSEN)
    assert (failed["status"], failed["error"]["type"]) == ("failed", "InvalidRequest")
    assert "no bars of synthetic 1d are held" in failed["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body", "pointer", "words"),
    [
        (QUOTES, {"interval": "7m"}, "/interval", "supported are 1m"),
        (QUOTES, {"market": "FILE"}, "/market", "serves INDEX"),
        (QUOTES, {"provider": "yahoo"}, "/provider", "YAHOO_ENABLED"),
        (QUOTES, {"intervals": {"1m": 1}}, "/intervals", ""),
        (SYMBOLS, {}, "/provider", "synthetic, which has no symbol master, supported are jquants"),
        (SYMBOLS, {"provider": "jquants"}, "/provider", "JQUANTS_API_KEY"),
        (SYMBOLS, {"provider": "x"}, "/provider", "supported are"),
        (SYMBOLS, {"most_lost_percent": 101}, "/most_lost_percent", ""),
        (INDICATORS, {"indicators": []}, "/indicators", ""),
        (INDICATORS, {"indicators": ["x"]}, "/indicators", "supported are sma"),
        (INDICATORS, {"indicators": ["vwap"]}, "/indicators", "expected an intraday one"),
        (INDICATORS, {"indicators": ["obv"], "session": "2025-11-03"}, "/session", "not a trading day"),
        (INDICATORS, {"indicators": ["obv"], "sessions": 0}, "/sessions", ""),
    ],
    ids=str,
)
async def test_invalid_requests_are_rejected(
    http: httpx2.AsyncClient, path: str, body: dict[str, Any], pointer: str, words: str
) -> None:
    answer = await http.post(path, json=body)
    assert answer.status_code == 422, answer.text
    error = answer.json()["errors"][0]
    assert error["pointer"].startswith(f"#{pointer}")
    assert words in error["detail"]


@pytest.mark.parametrize("path", [QUOTES, SYMBOLS, INDICATORS])
async def test_the_token_is_asked_for(http: httpx2.AsyncClient, path: str) -> None:
    assert (await http.post(path, json={}, headers={"x-ingest-token": "wrong"})).status_code == 401


@pytest.mark.parametrize(
    ("task", "request_", "kept"),
    [
        ("refresh_quotes", {"interval": "5m"}, {"intervals": {"5m": 1}, "provider": "synthetic"}),
        ("refresh_symbols", {"provider": "jquants"}, {"provider": "jquants", "most_lost_percent": 5.0}),
        ("indicators", {"indicators": ["rsi"]}, {"indicators": ["rsi:14"], "interval": "1d"}),
    ],
)
async def test_each_of_them_may_be_scheduled(
    market: httpx2.AsyncClient, task: str, request_: dict[str, Any], kept: dict[str, Any]
) -> None:
    body = {"name": task, "task": f"market_data.{task}", "session_at": "16:35", "request": request_}
    answer = await market.post(SCHEDULES, json=body)
    assert answer.status_code == 201, answer.text
    assert kept.items() <= answer.json()["request"].items()
    refused = await market.post(SCHEDULES, json=body | {"name": "x", "request": request_ | {"provider": "?"}})
    assert refused.json()["errors"][0]["pointer"] == "#/request/provider"
