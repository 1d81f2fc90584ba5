"""A backfill over HTTP: submitted, planned by a worker, and done, on the bars that a daily ingest left."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx2
import polars as pl
import pytest

from kaboom.bars.open import build_bar_store
from kaboom.bars.pages.store import PageBarStore
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import last_sessions
from kaboom.market.interval import Interval
from tests.fixtures.bars.holes import Surgeon, page_surgeon
from tests.fixtures.bars.kept_bars import read_series
from tests.fixtures.jobs.apps import INGEST, JOBS, RUN_DAILY, client_of, memory_settings, running

pytestmark = pytest.mark.anyio
BACKFILL = f"{INGEST}/backfill"
LAST = date(2025, 11, 4)
DAYS = last_sessions(6, LAST)
SYMBOLS = ["7203", "6758", "9984", "8306", "6861", "4063"]
SERIES = BarSeries("synthetic", Interval.M1)
BODY: dict[str, Any] = {"intervals": {"1m": 6}, "symbols": SYMBOLS, "last": LAST.isoformat()}
SCOPE: dict[str, Any] = {"intervals": {"1m": 6}, "symbols": SYMBOLS, "session": LAST.isoformat()}


@pytest.fixture
async def market(tmp_path: Path, anyio_backend: str) -> AsyncIterator[httpx2.AsyncClient]:
    """An API that keeps bars in pages, and runs its jobs itself."""
    settings = memory_settings(tmp_path, bar_store="pages")
    async with running(settings) as app, client_of(app) as client:
        yield client
    await build_bar_store(settings).close()


@pytest.fixture
def cut(tmp_path: Path) -> Surgeon:
    return page_surgeon(tmp_path / "bars")


async def run_job(market: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    accepted = await market.post(path, json=body)
    assert accepted.status_code == 202, accepted.text
    job: dict[str, Any] = {"status": "queued"}
    while job["status"] in {"queued", "running"}:
        job = (await market.get(accepted.headers["location"], headers={"Prefer": "wait=25"})).json()
    return job


async def keep(tmp_path: Path) -> pl.DataFrame:
    store = PageBarStore(tmp_path / "bars")
    try:
        return await read_series(store, SERIES)
    finally:
        await store.close()


async def test_exactly_what_is_missing_is_taken(market: httpx2.AsyncClient, cut: Surgeon, tmp_path: Path) -> None:
    await run_job(market, RUN_DAILY, SCOPE)
    undisturbed = await keep(tmp_path)
    cut(SERIES, DAYS[2], SYMBOLS[:3], 0.0)
    cut(SERIES, DAYS[4], SYMBOLS[3:5], 0.5)

    planned = await run_job(market, BACKFILL, BODY | {"dry_run": True})
    gaps = planned["result"]["gaps"]["1m"]
    assert (planned["status"], planned["progress"]["total"]) == ("completed", 0)
    assert (gaps["cells"], gaps["states"]) == (5, {"lost": 2, "missing": 3})
    assert gaps["sessions"] == [
        {"session": DAYS[2].isoformat(), "symbols": 3, "first_symbols": sorted(SYMBOLS[:3])},
        {"session": DAYS[4].isoformat(), "symbols": 2, "first_symbols": sorted(SYMBOLS[3:5])},
    ]
    assert (await keep(tmp_path)).height < undisturbed.height

    done = await run_job(market, BACKFILL, BODY)
    assert (done["task"], done["status"], done["progress"]["total"]) == ("ingest.backfill", "completed", 5)
    assert done["result"]["outcomes"] == {"ok": 5}
    assert "corrected" not in done["result"]["counts"]
    assert (await keep(tmp_path)).equals(undisturbed)


async def test_where_nothing_is_missing_the_job_says_so(market: httpx2.AsyncClient) -> None:
    await run_job(market, RUN_DAILY, SCOPE)
    done = await run_job(market, BACKFILL, BODY)
    assert (done["status"], done["progress"]["total"], done["progress"]["percent"]) == ("completed", 0, 100.0)
    assert done["result"]["gaps"]["1m"] == {
        "cells": 0,
        "symbols": 0,
        "states": {},
        "sessions": [],
        "message": "nothing is missing",
    }


async def test_corrections_are_counted_and_logged(market: httpx2.AsyncClient, tmp_path: Path) -> None:
    await run_job(market, RUN_DAILY, SCOPE)
    kept = await keep(tmp_path)
    wrong = kept.filter(pl.col("symbol") == "7203").tail(3).with_columns(volume=pl.col("volume") + 100)
    store = PageBarStore(tmp_path / "bars")
    await store.write(SERIES, wrong)
    await store.close()

    job = await run_job(market, RUN_DAILY, SCOPE)
    assert job["result"]["counts"]["corrected"] == 3
    lines: list[dict[str, Any]] = []
    while len(lines) < 3:  # they are written down half a second late
        log = (await market.get(f"{JOBS}/{job['job_id']}/logs?limit=200")).json()
        lines = [line["fields"] for line in log["items"] if line["event"] == "bar_corrected"]
    assert [line["symbol"] for line in lines] == ["7203"] * 3
    old, new = ([float(value) for value in lines[-1][name].split()] for name in ("old", "new"))
    assert (old[:4], old[4] - new[4]) == (new[:4], 100)
    assert new[4] == kept.filter(pl.col("symbol") == "7203")["volume"][-1]


async def test_the_same_backfill_is_joined_and_a_key_is_one_job(real_http: httpx2.AsyncClient) -> None:
    one = await real_http.post(BACKFILL, json=BODY, headers={"Idempotency-Key": "gaps"})
    again = await real_http.post(BACKFILL, json=BODY, headers={"Idempotency-Key": "gaps"})
    joined = await real_http.post(BACKFILL, json=BODY)
    assert again.headers["idempotency-replayed"] == "true"
    assert joined.headers["kaboom-coalesced"] == "true"
    assert len({answer.json()["job_id"] for answer in (one, again, joined)}) == 1
    # The same scope as a daily ingest is another request.
    assert "kaboom-coalesced" not in (await real_http.post(RUN_DAILY, json=SCOPE)).headers


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"last": "2025-11-03"}, "/last"),
        ({"last": "2025-13-01"}, "/last"),
        ({"first": "2025-11-05"}, "/first"),
        ({"first": "yesterday"}, "/first"),
        ({"session": "2025-11-04"}, "/session"),
        ({"intervals": {"1m": 0}}, "/intervals/1m"),
        ({"intervals": {}}, "/intervals"),
        ({"include_short": "yes"}, "/include_short"),
        ({"market": "FILE"}, "/market"),
    ],
)
async def test_invalid_requests_are_rejected(market: httpx2.AsyncClient, change: dict[str, Any], pointer: str) -> None:
    answer = await market.post(BACKFILL, json=BODY | change)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"#{pointer}"]


async def test_the_token_guards_it(market: httpx2.AsyncClient) -> None:
    assert (await market.post(BACKFILL, json=BODY, headers={"x-ingest-token": "wrong"})).status_code == 401
