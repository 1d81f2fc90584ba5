"""Rows in quarantine that are taken back are bars, and rejected no longer."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from kaboom.bars.memory import MemoryBarStore
from kaboom.bars.open import build_bar_store
from kaboom.bars.pages.store import PageBarStore
from kaboom.bars.store import QUARANTINE_SCHEMA, BarStore
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from kaboom.market_data.request import TakeBackRequest
from kaboom.market_data.tasks.bars import _is_bar, take_rows_back
from tests.fixtures.jobs.apps import client_of, memory_settings, running

pytestmark = pytest.mark.anyio
DAYS = BarSeries("file", Interval.D1)
AT = datetime(2024, 11, 5, tzinfo=UTC)
SPAN = {"start": datetime(2024, 1, 1, tzinfo=UTC), "end": datetime(2025, 1, 1, tzinfo=UTC)}


def row(symbol: str, reason: str, *, close: float | None = 2.0, at: datetime | None = AT) -> dict[str, Any]:
    prices = {"open": 1.0, "high": 1.5, "low": 1.0, "close": close}
    return {"symbol": symbol, "opened_at": at, **prices, "volume": 100.0, "reason": reason}


REJECTED = pl.DataFrame(
    [
        row("7203", "ohlc_order"),
        row("6758", "closed_day"),
        row("9984", "bad_price", close=None),
        row("", "off_grid", at=None),
    ],
    schema=QUARANTINE_SCHEMA,
)


@pytest.fixture(params=["memory", "pages"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BarStore]:
    store: BarStore = MemoryBarStore() if request.param == "memory" else PageBarStore(tmp_path / "bars")
    await store.quarantine(DAYS, REJECTED)
    yield store
    await store.close()


async def reasons_left(store: BarStore) -> list[str]:
    return sorted((await store.read_quarantine(DAYS))["reason"])


async def test_rows_of_a_rule_become_bars(store: BarStore) -> None:
    report = await take_rows_back(TakeBackRequest(provider="file", reason="ohlc_order"), store)
    assert (report["taken_back"], report["left"], report["reasons"]) == (1, 0, {"ohlc_order": 1})
    assert (await store.read(DAYS, "7203", **SPAN)).row(0) == ("7203", AT, 1.0, 1.5, 1.0, 2.0, 100, 0)
    assert await reasons_left(store) == ["bad_price", "closed_day", "off_grid"]


async def test_all_rows_but_impossible_bars_are_taken_back(store: BarStore) -> None:
    report = await take_rows_back(TakeBackRequest(provider="file"), store)
    assert (report["taken_back"], report["left"]) == (2, 2)
    assert await reasons_left(store) == ["bad_price", "off_grid"]
    assert (await take_rows_back(TakeBackRequest(provider="file"), store))["taken_back"] == 0


async def test_a_dry_run_changes_nothing(store: BarStore) -> None:
    report = await take_rows_back(TakeBackRequest(provider="file", dry_run=True), store)
    assert report["taken_back"] == 2
    assert len(await reasons_left(store)) == 4
    assert (await store.read(DAYS, "7203", **SPAN)).is_empty()


async def test_a_job_takes_them_back(tmp_path: Path) -> None:
    settings = memory_settings(tmp_path, bar_store="pages")
    bars = build_bar_store(settings)
    await bars.quarantine(DAYS, REJECTED)
    async with running(settings) as app, client_of(app) as client:
        body = {"interval": "1d", "provider": "file", "symbol": "6758"}
        accepted = await client.post("/api/v1/market-data/take-back", json=body)
        assert accepted.status_code == 202, accepted.text
        job: dict[str, Any] = {"status": "queued"}
        while job["status"] in {"queued", "running"}:
            job = (await client.get(accepted.headers["location"], headers={"Prefer": "wait=25"})).json()
    assert (job["status"], job["result"]["reasons"]) == ("completed", {"closed_day": 1})
    assert await reasons_left(bars) == ["bad_price", "off_grid", "ohlc_order"]
    await bars.close()


async def test_rows_of_a_session_are_those_of_its_day_in_japan() -> None:
    store, minutes = MemoryBarStore(), BarSeries("file", Interval.M1)
    times = [datetime(2024, 11, day, hour, tzinfo=UTC) for day, hour in ((4, 14), (4, 15), (5, 14), (5, 15))]
    rows = [row(str(1301 + n), "closed_day", at=at) for n, at in enumerate(times)]
    await store.quarantine(minutes, pl.DataFrame(rows, schema=QUARANTINE_SCHEMA))
    asked = TakeBackRequest(provider="file", interval=Interval.M1, session=AT.date())
    report = await take_rows_back(asked, store)
    assert report == {
        "provider": "file",
        "interval": "1m",
        "taken_back": 2,
        "left": 0,
        "reasons": {"closed_day": 2},
    }
    assert (await store.read_quarantine(minutes))["symbol"].to_list() == ["1301", "1304"]


@pytest.mark.parametrize(
    ("change", "is_bar"),
    [
        ({}, True),
        ({"opened_at": datetime(1900, 1, 1, tzinfo=UTC)}, True),
        ({"opened_at": datetime(1899, 12, 31, tzinfo=UTC)}, False),
        ({"opened_at": datetime(2999, 12, 31, tzinfo=UTC)}, True),
        ({"opened_at": datetime(3000, 1, 1, tzinfo=UTC)}, False),
        ({"opened_at": AT.replace(microsecond=1)}, False),
        ({"opened_at": AT.replace(second=1)}, True),
        ({"opened_at": None}, False),
        ({"volume": 0.0}, True),
        ({"volume": -1.0}, False),
        ({"volume": 0.5}, False),
        ({"volume": 2.0**53}, True),
        ({"volume": 2.0**53 + 2}, False),
        ({"volume": None}, False),
        ({"open": float("inf")}, False),
        ({"high": None}, False),
        ({"low": float("nan")}, False),
        ({"close": -1.0}, True),
        ({"symbol": ""}, False),
    ],
    ids=str,
)
def test_a_row_is_a_bar_if_each_of_its_values_can_be_stored(change: dict[str, Any], *, is_bar: bool) -> None:
    rows = pl.DataFrame([row("7203", "off_grid") | change], schema=QUARANTINE_SCHEMA)
    assert rows.select(_is_bar()).to_series().to_list() == [is_bar]


async def test_counts_are_by_reason_in_their_order() -> None:
    store = MemoryBarStore()
    rows = [row(str(1301 + n), reason) for n, reason in enumerate(("off_grid", "closed_day", "off_grid"))]
    await store.quarantine(DAYS, pl.DataFrame(rows, schema=QUARANTINE_SCHEMA))
    report = await take_rows_back(TakeBackRequest(provider="file", symbol="1302"), store)
    assert report["reasons"] == {"closed_day": 1}
    await store.quarantine(DAYS, pl.DataFrame(rows, schema=QUARANTINE_SCHEMA))
    report = await take_rows_back(TakeBackRequest(provider="file"), store)
    assert list(report["reasons"].items()) == [("closed_day", 1), ("off_grid", 2)]
