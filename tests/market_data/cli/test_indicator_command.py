"""`kaboom bars indicators`: the values that TA-Lib gives, of the bars that are held."""

import asyncio
from datetime import date
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
import talib

from kaboom.bars.pages.store import PageBarStore
from kaboom.cli.exits import Exit
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from tests.fixtures.bars.random_bars import random_bars
from tests.fixtures.bars.stored_bars import MINUTES, at, bar, frame
from tests.fixtures.cli import Done, Kaboom

BARS = random_bars(60, seed=4)


@pytest.fixture
def held(kaboom: Kaboom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kaboom:
    """A command line on a data folder that holds sixty days of one symbol."""

    async def write() -> None:
        store = PageBarStore(tmp_path / "data" / "bars")
        await store.write(BarSeries("synthetic", Interval.D1), BARS)
        await store.close()

    asyncio.run(write())
    monkeypatch.setenv("KABOOM_DATA_DIR", str(tmp_path / "data"))
    return kaboom


def data(done: Done) -> Any:
    assert done.code == 0, done.err
    return cast("Any", done.json)


def test_the_newest_sessions_with_averages_over_those_before(held: Kaboom) -> None:
    done = held("bars", "indicators", "7203", "-i", "sma:25", "-i", "ema:50", "--sessions", "12", "--json")
    rows = pl.DataFrame(data(done)["bars"])
    close = BARS["close"].to_numpy()
    assert rows["close"].to_list() == BARS["close"][-12:].to_list()
    for name, theirs in (("sma_25", talib.SMA(close, 25)), ("ema_50", talib.EMA(close, 50))):
        expected = [None if value != value else pytest.approx(value) for value in theirs[-12:].tolist()]  # noqa: PLR0124
        assert rows[name].to_list() == expected
    assert rows["ema_50"].null_count() == 1


def test_a_table_says_whose_bars_they_are(held: Kaboom) -> None:
    done = held("bars", "indicators", "7203", "-i", "obv", "--sessions", "1")
    assert done.code == 0, done.err
    assert "generated, not market data" in done.out
    assert f"{BARS['volume'][-1]:,.2f}" in done.out


def test_minutes_are_shown_in_japan_and_days_by_their_session(held: Kaboom, tmp_path: Path) -> None:
    async def write() -> None:
        store = PageBarStore(tmp_path / "data" / "bars")
        await store.write(MINUTES, frame(bar("7203", at(date(2025, 11, 4), 0))))
        await store.close()

    asyncio.run(write())
    shown = held("bars", "indicators", "7203", "-i", "obv", "--interval", "1m", "--sessions", "1").out
    assert ("opened_at (JST)" in shown, "2025-11-04 09:00" in shown) == (True, True)
    days = held("bars", "indicators", "7203", "-i", "obv", "--sessions", "1").out
    assert f"{BARS['opened_at'][-1]:%Y-%m-%d} " in days


def test_all_indicators_are_listed_with_their_bounds(held: Kaboom) -> None:
    done = held("bars", "indicators", "7203", "-i", "list")
    assert "macd:12,26,9" in done.out
    assert "deviations 0.1 to 10" in done.out
    listed = data(held("bars", "indicators", "7203", "-i", "list", "--json"))
    assert {"name": "obv", "title": "on-balance volume", "default": "obv"} in listed


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["7203", "-i", "kama"], Exit.USAGE, "'kama', supported are"),
        (["7203", "-i", "vwap"], Exit.USAGE, "expected an intraday one"),
        (["6758"], Exit.NOT_FOUND, "6758 1d"),
        (["7203", "--interval", "1h"], Exit.NOT_FOUND, "1h"),
    ],
)
def test_invalid_indicators_and_missing_bars_are_reported(
    held: Kaboom, arguments: list[str], code: Exit, message: str
) -> None:
    done = held("bars", "indicators", *arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
