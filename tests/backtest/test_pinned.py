"""The moment of a backtest's bars: it is pinned, and a repetition reads as of it whatever was corrected since."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx2
import polars as pl
import pytest

from kaboom.backtest.jobs import check_backtest
from kaboom.backtest.request import BacktestRequest
from kaboom.backtest.run_job import pin_request
from kaboom.backtest.study.bars import BarTools, load_bars
from kaboom.bars.memory import MemoryActionStore, MemoryBarStore
from kaboom.bars.open import build_action_store, build_bar_store
from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest
from kaboom.market.listing import Listing, Market
from kaboom.market.lists.snapshot import Snapshot, save_snapshot
from tests.backtest.test_runs import ASKED, GRID, RESULTS, RUN, SWEEP, found_by, run_job
from tests.fixtures.backtest.stored import SERIES, daily_bars
from tests.fixtures.bars.noted_actions import note
from tests.fixtures.jobs.apps import memory_settings

pytestmark = pytest.mark.anyio


async def correct(tmp_path: Path) -> None:
    """Correct every seventh bar, and note a split."""
    settings = memory_settings(tmp_path, bar_store="pages")
    some = daily_bars().gather_every(7).with_columns(pl.col("close") * 1.01, pl.col("high") * 1.02)
    await build_bar_store(settings).write(SERIES, some)
    await build_action_store(settings).save("synthetic", note("7203", date(2025, 6, 2), 0.5))


async def files_of(client: httpx2.AsyncClient, job: dict[str, Any]) -> dict[str, bytes]:
    names = [*job["result"]["kept_files"], "summary.json"]
    return {name: (await client.get(f"{RESULTS}/{job['job_id']}/{name}")).content for name in names}


async def test_a_repetition_gives_the_same_bytes_through_corrections(
    tested: httpx2.AsyncClient, tmp_path: Path
) -> None:
    first = await run_job(tested, RUN, ASKED | {"benchmark": "9984"})
    assert first["result"]["is_pinned"]
    await correct(tmp_path)

    again = await run_job(tested, RUN, first["result"]["request"])
    assert again["result"] == first["result"]
    assert await files_of(tested, again) == await files_of(tested, first)
    now = (await run_job(tested, RUN, ASKED | {"benchmark": "9984"}))["result"]
    assert now["request"]["as_of"] > first["result"]["request"]["as_of"]
    assert now["digest"] != first["result"]["digest"]


async def test_a_moment_before_the_corrections_reads_the_old_bars(tested: httpx2.AsyncClient, tmp_path: Path) -> None:
    moment = utc_now().isoformat()
    before = (await run_job(tested, RUN, ASKED))["result"]
    await correct(tmp_path)

    past = (await run_job(tested, RUN, ASKED | {"as_of": moment}))["result"]
    assert (past["fingerprint"], past["digest"]) == (before["fingerprint"], before["digest"])
    early = await run_job(tested, RUN, ASKED | {"as_of": "2025-11-06"})
    assert "no synthetic 1d bars" in early["error"]["message"]


async def test_a_sweep_is_repeated_through_corrections(tested: httpx2.AsyncClient, tmp_path: Path) -> None:
    before = await found_by(tested, parameters=GRID, chunk_size=3)
    await correct(tmp_path)

    done = await run_job(tested, SWEEP, before["request"])
    assert (await tested.get(f"{RESULTS}/{done['job_id']}")).json() == before
    assert done["result"]["is_pinned"]


async def test_a_moment_to_come_is_refused(tested: httpx2.AsyncClient) -> None:
    answer = await tested.post(RUN, json=ASKED | {"as_of": (utc_now() + timedelta(hours=1)).isoformat()})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/as_of")


async def test_the_last_session_is_the_newest_one_known_then(tested: httpx2.AsyncClient) -> None:
    early = await run_job(tested, RUN, {**ASKED, "last": None, "as_of": "2025-11-05"})
    assert "to 2025-11-04" in early["error"]["message"]


async def test_with_influxdb_a_moment_is_refused_and_none_is_pinned(tmp_path: Path) -> None:
    influx = {"influxdb_host": "http://127.0.0.1:8181", "influxdb_token": "t", "bar_store": "influxdb"}
    settings = memory_settings(tmp_path, **influx)
    asked = BacktestRequest.parse(ASKED | {"provider": "synthetic"})
    assert check_backtest(asked, settings).as_of is None
    assert pin_request(asked, settings).as_of is None
    named = asked.filled(as_of="2025-11-04")
    for refuse in (check_backtest, pin_request):
        with pytest.raises(InvalidRequest, match="InfluxDB overwrites a corrected bar and keeps no history") as refused:
            refuse(named, settings)
        assert refused.value.pointer == "/as_of"


async def test_the_symbols_of_a_market_are_those_known_then(tmp_path: Path) -> None:
    store = MemoryBarStore()
    await store.write(SERIES, daily_bars())
    day, tools = date(2025, 11, 1), BarTools(store, MemoryActionStore(), tmp_path)

    def save(*symbols: str) -> None:
        listings = tuple(Listing(symbol, symbol, Market.TSE_GROWTH, "", "") for symbol in symbols)
        save_snapshot(Snapshot(day, "a test", listings), tmp_path)

    save("7203")
    moment = utc_now()
    save("7203", "9984")
    asked = {"strategy": "sma_cross", "market": "TSE_GROWTH", "provider": "synthetic"}
    request = BacktestRequest.parse(asked | {"first": "2025-11-04", "last": "2025-11-05"})
    past = await load_bars(request.filled(as_of=moment.isoformat()), tools)
    assert past.panel.symbols == ("7203",)
    assert (await load_bars(request, tools)).panel.symbols == ("7203", "9984")
