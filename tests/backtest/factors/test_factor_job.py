"""Factor reports over HTTP, and what they know of statements."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import polars as pl
import pytest

from kaboom.backtest.factors.columns import compute_factor
from kaboom.backtest.factors.report import report_factor
from kaboom.backtest.factors.request import FactorRequest
from kaboom.backtest.panel import Panel
from kaboom.backtest.study.bars import BarTools, StudyBars, load_bars
from kaboom.bars.memory import MemoryActionStore, MemoryBarStore
from kaboom.disclosures.store import MemoryDisclosureStore
from kaboom.indicators.expression import parse_formula
from kaboom.market.bar import BAR_SCHEMA
from kaboom.market.calendar import utc_midnight
from kaboom.market.disclosure import Disclosures
from tests.backtest.test_runs import run_job
from tests.fixtures.backtest.stored import SERIES, SYMBOLS, daily_bars
from tests.fixtures.bars.noted_actions import note
from tests.fixtures.disclosures.made import make_statement
from tests.fixtures.disclosures.planted import DAYS, close_by_hand, moments

FACTORS = "/api/v1/market-data/factors"
ASKED: dict[str, Any] = {
    "expression": "change_5d", "symbols": list(SYMBOLS), "last": "2025-11-05", "sessions": 120, "quantiles": 2,
    "horizons": [1, 5],
}  # fmt: skip


@pytest.mark.anyio
async def test_a_job_measures_a_factor_and_a_repetition_finds_the_same(tested: httpx2.AsyncClient) -> None:
    job = await run_job(tested, FACTORS, ASKED)
    assert job["status"] == "completed", job
    found = job["result"]
    assert (found["symbols"], found["missing"], found["tied"]) == (3, 0, 0)
    # The first five sessions have no value, the last five no return over five sessions.
    assert (found["sessions"], found["values"]) == (110, 330)
    assert [each["horizon"] for each in found["horizons"]] == [1, 5]
    assert [each["quantile"] for each in found["horizons"][0]["quantiles"]] == [1, 2]
    again = await run_job(tested, FACTORS, found["request"])
    assert again["result"] == found


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("values", "pointer", "message"),
    [
        ({"expression": "change_5d > 0"}, "/expression", "expected a number, a column"),
        ({"expression": "1 + 2"}, "/expression", "expected a column or a formula such as close / sma_75"),
        ({"expression": "changed_5d"}, "/expression", "the nearest name is change_5d"),
        ({"expression": "close /"}, "/expression", "expected a column or a formula such as close / sma_75"),
        ({"horizons": [5, 5]}, "/horizons", "expected each once"),
        ({"market": "TSE_PRIME"}, "/symbols", "expected one of them"),
        ({"last": "2025-11-03"}, "/last", "2025-11-03"),
    ],
)
async def test_a_request_that_cannot_be_measured_is_refused(
    tested: httpx2.AsyncClient, values: dict[str, Any], pointer: str, message: str
) -> None:
    answer = await tested.post(FACTORS, json=ASKED | values)
    assert answer.status_code == 422
    problem = answer.json()
    assert message in str(problem), problem
    assert pointer in str(problem), problem


@pytest.mark.anyio
async def test_horizons_beyond_the_bars_and_equal_values_fail_with_their_cause(tested: httpx2.AsyncClient) -> None:
    beyond = await run_job(tested, FACTORS, ASKED | {"horizons": [1, 120]})
    assert "expected fewer than the 120 of the bars" in beyond["error"]["message"]
    equal = await run_job(tested, FACTORS, ASKED | {"expression": "close / close"})
    assert "115 sessions have too many equal values" in equal["error"]["message"]


def test_a_split_is_no_return() -> None:
    bars = daily_bars(120)
    day = bars["opened_at"].unique().sort()[60]
    is_after = (pl.col("symbol") == "7203") & (pl.col("opened_at") >= day)
    prices = [
        pl.when(is_after).then(pl.col(name) / 2).otherwise(pl.col(name)) for name in ("open", "high", "low", "close")
    ]
    request = FactorRequest.parse(ASKED | {"provider": "synthetic"})
    dated = request.to_bars().filled(first=str(bars["opened_at"].min())[:10])

    async def load(bars: pl.DataFrame, *, is_split: bool) -> StudyBars:
        store, actions = MemoryBarStore(), MemoryActionStore()
        await store.write(SERIES, bars)
        if is_split:
            await actions.save("synthetic", note("7203", day.date(), 0.5))
        return await load_bars(dated, BarTools(store, actions, Path("nowhere")))

    whole = report_factor(asyncio.run(load(bars, is_split=False)), request)
    split = report_factor(asyncio.run(load(bars.with_columns(prices), is_split=True)), request)
    unknown = report_factor(asyncio.run(load(bars.with_columns(prices), is_split=False)), request)
    assert split.horizons[0].spread == pytest.approx(whole.horizons[0].spread)
    assert unknown.horizons[0].spread != pytest.approx(whole.horizons[0].spread)


def test_no_factor_sees_one_of_two_hundred_statements_before_it_was_public() -> None:
    planted = {f"{1301 + n}": at for n, at in enumerate(moments())}
    rows = [(symbol, utc_midnight(day), 1000.0, 1000.0, 1000.0, 1000.0, 1_000, 0) for symbol in planted for day in DAYS]
    request = FactorRequest.parse(
        {
            "expression": "-per",
            "symbols": list(planted),
            "provider": "synthetic",
            "first": DAYS[0].isoformat(),
            "last": DAYS[-1].isoformat(),
        }
    )

    async def load() -> Panel:
        store, disclosures = MemoryBarStore(), MemoryDisclosureStore()
        await store.write(SERIES, pl.DataFrame(rows, schema=BAR_SCHEMA, orient="row"))
        statements = [make_statement(symbol, disclosed_at=at) for symbol, at in planted.items()]
        await disclosures.save("synthetic", Disclosures(statements), now=datetime(2025, 1, 6, tzinfo=UTC))
        tools = BarTools(store, MemoryActionStore(), Path("nowhere"), disclosures)
        return (await load_bars(request.to_bars(), tools, statements=parse_formula("-per").statements)).panel

    panel = asyncio.run(load())
    factor = compute_factor(panel, request.formula)
    for n, day in enumerate(DAYS):
        known = {symbol for symbol, at in planted.items() if at < close_by_hand(day)}
        seen = {symbol for symbol, value in zip(panel.symbols, factor[n], strict=True) if np.isfinite(value)}
        assert seen == known, day
