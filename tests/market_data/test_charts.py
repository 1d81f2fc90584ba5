"""Charts over HTTP: bars of any length with indicators, warmed up by the bars before the span."""

import io
from datetime import date
from pathlib import Path
from typing import Any

import httpx2
import polars as pl
import pytest

from kaboom.bars.open import build_action_store, build_bar_store
from kaboom.bars.store import BarStore
from kaboom.indicators.formulas import compute_indicators
from kaboom.indicators.table import parse_indicators
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import sessions_between
from kaboom.market.interval import Interval
from kaboom.market.roll_up import roll_up_bars
from kaboom.market_data.schemas import ChartPage
from tests.fixtures.bars.noted_actions import note
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, at, bar, frame
from tests.fixtures.jobs.apps import memory_settings
from tests.market_data.conftest import SESSIONS

pytestmark = pytest.mark.anyio
URL = "/api/v1/charts/7203"
ALL = ("sma:5", "rsi:3", "macd:2,4,3", "bbands:5,2")
MINUTE_SPAN = {"start": "2025-11-04", "end": "2025-11-05"}
YEAR = sessions_between(date(2024, 1, 4), date(2025, 10, 30))


async def chart(http: httpx2.AsyncClient, **params: Any) -> dict[str, Any]:
    answer = await http.get(URL, params=params)
    assert answer.status_code == 200, answer.text
    ChartPage.model_validate(answer.json())
    found: dict[str, Any] = answer.json()
    return found


def frame_of(found: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(found["items"], infer_schema_length=None)


@pytest.fixture
async def days(store: BarStore) -> pl.DataFrame:
    """Days of two years, with prices that go up and down."""
    rows = [bar("7203", at(day), 1000.0 + n * (7 - n % 13), volume=100 * (1 + n % 9)) for n, day in enumerate(YEAR)]
    written = frame(*rows)
    await store.write(DAILY, written)
    return written


async def test_the_first_value_of_a_span_is_that_of_the_whole_history(
    market: httpx2.AsyncClient, days: pl.DataFrame
) -> None:
    found = await chart(market, start="2025-06-02", end="2025-10-31", indicator=list(ALL), volume_average=5)
    rows = frame_of(found)
    whole = compute_indicators(days, parse_indicators(ALL, Interval.D1)).tail(rows.height)
    assert found["columns"] == [*(name for name in whole.columns if name not in days.columns), "volume_sma_5"]
    assert rows.height == len([day for day in YEAR if day >= date(2025, 6, 2)])
    for name in found["columns"][:-1]:
        assert rows[name][0] == pytest.approx(whole[name][0], abs=1e-9)
        assert rows[name].to_list() == pytest.approx(whole[name].to_list(), abs=1e-9)
    volumes = days["volume"].rolling_mean(5).tail(rows.height).to_list()
    assert rows["volume_sma_5"].to_list() == pytest.approx(volumes)


async def test_an_interval_that_is_not_stored_is_rolled_up_from_minutes(
    market: httpx2.AsyncClient, store: BarStore
) -> None:
    found = await chart(market, interval="15m", indicator=["sma:2"], **MINUTE_SPAN)
    minutes = (await store.read_session(MINUTES, SESSIONS[1])).filter(pl.col("symbol") == "7203")
    expected = roll_up_bars(minutes, Interval.M15)
    assert found["rolled_up_from"] == "1m"
    rows = frame_of(found)
    assert rows.select("open", "high", "low", "close", "volume").rows() == (
        expected.select("open", "high", "low", "close", "volume").rows()
    )
    # The bar before is of the session before.
    before = (await store.read_session(MINUTES, SESSIONS[0])).filter(pl.col("symbol") == "7203")["close"][-1]
    assert found["previous"]["close"] == before
    assert rows["sma_2"][0] == (before + rows["close"][0]) / 2


async def test_stored_bars_are_not_rolled_up_again(market: httpx2.AsyncClient, store: BarStore) -> None:
    await store.write(BarSeries("synthetic_from_1m", Interval.M15), frame(bar("7203", at(SESSIONS[1]), 77.0)))
    found = await chart(market, interval="15m", **MINUTE_SPAN)
    assert (found["rolled_up_from"], found["provider"]) == (None, "synthetic_from_1m")
    assert [row["close"] for row in found["items"]] == [77.0]


async def test_weeks_are_made_from_days_and_begin_on_a_monday(market: httpx2.AsyncClient, days: pl.DataFrame) -> None:
    # From a Wednesday on: its week is whole.
    found = await chart(market, interval="1w", start="2025-06-04", end="2025-06-14")
    first, second = found["items"]
    of_week = days.filter(pl.col("opened_at").dt.date().is_between(date(2025, 6, 2), date(2025, 6, 6)))
    assert found["rolled_up_from"] == "1d"
    assert (first["opened_at"], second["opened_at"]) == ("2025-06-02T00:00:00Z", "2025-06-09T00:00:00Z")
    assert (first["open"], first["close"]) == (of_week["open"][0], of_week["close"][-1])
    assert (first["high"], first["volume"]) == (of_week["high"].max(), of_week["volume"].sum())


async def test_bars_are_adjusted_before_indicators_are_computed(
    market: httpx2.AsyncClient, days: pl.DataFrame, tmp_path: Path
) -> None:
    ex = date(2025, 6, 4)
    actions = build_action_store(memory_settings(tmp_path, bar_store="pages"))
    await actions.save("synthetic", note("7203", ex, 0.5))
    asked = {"start": ex.isoformat(), "end": "2025-06-05", "indicator": ["sma:2"]}
    raw, adjusted = await chart(market, **asked), await chart(market, **asked, adjusted="true")
    two = days.filter(pl.col("opened_at") <= at(ex))["close"].tail(2).to_list()
    assert raw["items"][0]["sma_2"] == pytest.approx(sum(two) / 2)
    assert adjusted["items"][0]["sma_2"] == pytest.approx((two[0] / 2 + two[1]) / 2)
    assert adjusted["previous"]["close"] == two[0] / 2
    assert [each["factor"] for each in raw["actions"]] == [0.5]


async def test_the_newest_bars_are_kept(market: httpx2.AsyncClient) -> None:
    whole, cut = (
        await chart(market, interval="1m", **MINUTE_SPAN),
        await chart(market, interval="1m", limit=3, **MINUTE_SPAN),
    )
    assert cut["items"] == whole["items"][-3:]


async def test_a_chart_is_also_csv(market: httpx2.AsyncClient) -> None:
    answer = await market.get(
        URL, params={"interval": "1d", "indicator": "sma:2", "start": "2025-10-31", "end": "2025-11-06"},
        headers={"accept": "text/csv"},
    )  # fmt: skip
    rows = pl.read_csv(io.BytesIO(answer.content))
    assert rows["sma_2"].to_list() == [None, 100.5, 101.5]


async def test_without_bars_there_is_nothing_and_no_error(market: httpx2.AsyncClient) -> None:
    found = await chart(market, interval="1h", start="2024-05-01", end="2024-05-09", indicator=["sma:5"])
    assert (found["items"], found["previous"], found["columns"]) == ([], None, ["sma_5"])


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"indicator": "moon:3"}, "/indicator"),
        ({"indicator": "vwap", "interval": "1w"}, "/indicator"),
        ({"indicator": "sma:1"}, "/indicator"),
        ({"interval": "1m", "start": "2020-01-01", "end": "2025-01-01"}, "/start"),
        ({"start": "2025-01-02", "end": "2025-01-01"}, "/start"),
        ({"interval": "2m"}, "/interval"),
        ({"volume_average": "1"}, "/volume_average"),
        ({"limit": "5001"}, "/limit"),
        ({"provider": "nobody"}, "/provider"),
    ],
)
async def test_a_wrong_query_is_refused_with_its_field(
    market: httpx2.AsyncClient, query: dict[str, str], pointer: str
) -> None:
    answer = await market.get(URL, params=query)
    assert answer.status_code == 422
    assert pointer in answer.json()["errors"][0]["pointer"]


async def test_the_provider_of_minutes_is_kept_apart(market: httpx2.AsyncClient, tmp_path: Path) -> None:
    store = build_bar_store(memory_settings(tmp_path, bar_store="pages"))
    await store.write(BarSeries("jquants", Interval.M1), frame(bar("7203", at(SESSIONS[1]), 55.0)))
    found = await chart(market, interval="5m", provider="jquants", **MINUTE_SPAN)
    assert [row["close"] for row in found["items"]] == [55.0]
    assert found["is_real"] is True
