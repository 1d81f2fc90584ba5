"""What toycsv can do: it is refused without its setting, has limits of its own, and ingests a day."""

import asyncio
from datetime import date
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kaboom.bars.open import build_bar_store
from kaboom.bars.open_provider import build_provider
from kaboom.domain_settings import BatchSettings
from kaboom.errors import ConfigurationError
from kaboom.ingest.request import IngestRequest
from kaboom.ingest.run_daily import run_daily_ingest
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from kaboom.providers.limiter.port import Limits, parse_limits
from tests.fixtures.jobs.apps import client_of, memory_settings, running
from tests.toys.provider.fake_toycsv import csv_server

SESSION = "2026-11-16"


def test_the_missing_setting_is_reported() -> None:
    message = "provider was toycsv and TOYCSV_URL is not set: name the address of the server"
    assert BatchSettings().lacking_for("toycsv") == message
    with pytest.raises(ConfigurationError, match="TOYCSV_URL is not set"):
        build_provider(BatchSettings(), "toycsv")


def test_the_setting_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOYCSV_URL", "http://127.0.0.1:1")
    assert BatchSettings().lacking_for("toycsv") is None


@pytest.mark.anyio
async def test_a_request_without_the_setting_is_refused(tmp_path: Path) -> None:
    async with running(memory_settings(tmp_path)) as app, client_of(app) as http:
        body = {"intervals": {"1d": 1}, "symbols": ["7203"], "session": SESSION, "provider": "toycsv"}
        answer = await http.post("/api/v1/ingest/run-daily", json=body)
        assert (answer.status_code, pointers(answer)) == (422, ["#/provider"]), answer.text
        assert "TOYCSV_URL" in answer.text
        names = str((await http.get("/openapi.json")).json())
        assert "'toycsv'" in names
        assert "'toycsv_from_1m'" in names


def pointers(answer: httpx2.Response) -> list[Any]:
    return [error["pointer"] for error in answer.json()["errors"]]


def test_its_limits_are_its_own_unless_the_settings_override_them() -> None:
    assert parse_limits("toycsv", "", "") == Limits(requests=10, concurrency=2, window_s=1.0)
    assert parse_limits("toycsv", "toycsv=5", "toycsv=off") == Limits(requests=5)


def test_a_day_is_ingested(tmp_path: Path) -> None:
    with csv_server() as server:
        server.market.quiet = {"6758"}
        settings = BatchSettings(
            data_dir=tmp_path, bar_store="memory", provider="toycsv", provider_patience_s=0, toycsv_url=server.url
        )
        symbols = ["7203", "6758", "1301", "285A", "9999"]
        request = IngestRequest.parse({"intervals": {"1d": 1}, "symbols": symbols, "session": SESSION})

        async def run() -> tuple[dict[str, int], int]:
            provider, store = build_provider(settings), build_bar_store(settings)
            report = await run_daily_ingest(request, settings=settings)
            held = await store.read_session(BarSeries("toycsv", Interval.D1), date.fromisoformat(SESSION))
            await provider.close()
            return {outcome.value: n for outcome, n in report.by_outcome().items() if n}, held.height

        outcomes, held = asyncio.run(run())
        assert outcomes == {"ok": 3, "no_trades": 1, "not_listed": 1}
        assert held == 3
        assert sorted(request.params["symbol"] for request in server.requests) == sorted(symbols)
        assert server.most_at_once <= 2
