"""The values of a factor in a session: those that a screen of the session shows, with splits and missing bars."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kaboom.backtest.factors.columns import compute_factor
from kaboom.backtest.panel import Listings, Panel
from kaboom.bars.memory import MemoryActionStore
from kaboom.bars.pages.store import PageBarStore
from kaboom.disclosures.store import MemoryDisclosureStore
from kaboom.indicators.expression import parse_expression, parse_formula
from kaboom.market.adjust import FACTOR_SCHEMA
from kaboom.market.calendar import last_sessions
from kaboom.market.interval import Interval
from kaboom.screens.evaluate import Screener, Stores
from kaboom.screens.model import Question
from tests.fixtures.backtest.stored import LAST, SERIES, daily_bars
from tests.fixtures.bars.noted_actions import note

pytestmark = pytest.mark.anyio
FORMULAS = (
    "close", "volume", "turnover", "change_20d", "high_10d", "low_10d", "volume_sma_10", "sma_25", "rsi_14",
    "bbands_20_2_upper", "atr_14", "macd_12_26_9_histogram", "roc_10", "-(close / sma_25 - 1)", "2 * close - open / 3",
)  # fmt: skip
SPLIT = last_sessions(30, LAST)[0]


@pytest.mark.parametrize("text", FORMULAS)
async def test_a_factor_has_the_values_of_the_screen_of_its_session(text: str, tmp_path: Path) -> None:
    whole = daily_bars(150)
    bars = whole.filter((pl.col("symbol") != "9984") | (pl.col("opened_at").dt.day() % 5 != 0))
    splits = pl.DataFrame([("7203", SPLIT, 0.5)], schema=FACTOR_SCHEMA, orient="row")
    panel = Panel.of(bars, Interval.D1, Listings(splits=splits))
    factor = compute_factor(panel, parse_formula(text))
    store, actions = PageBarStore(tmp_path), MemoryActionStore()
    await store.write(SERIES, bars)
    await actions.save("synthetic", note("7203", SPLIT, 0.5))
    stores = Stores(store, actions, MemoryDisclosureStore())
    screener = Screener(stores, symbols_dir=tmp_path, delay_s=0, clock=lambda: datetime(2025, 11, 6, tzinfo=UTC))
    for back in (1, 2, 29, 31, 40):
        session = last_sessions(back, LAST)[0]
        (name,) = {*parse_formula(text).columns} if text.isidentifier() else {"close"}
        question = Question(parse_expression(f"{text} > -1e15"), "synthetic", None, session)
        rows = {row["symbol"]: row for row in (await screener.ask(question)).rows.iter_rows(named=True)}
        for place, symbol in enumerate(panel.symbols):
            value = factor[-back, place]
            assert np.isfinite(value) == (symbol in rows), (symbol, session)
            if symbol in rows and text.isidentifier():
                assert value == pytest.approx(rows[symbol][name], rel=1e-9), (symbol, session)
    await store.close()


def test_a_division_by_zero_is_unknown() -> None:
    panel = Panel.of(daily_bars(30), Interval.D1)
    assert np.isnan(compute_factor(panel, parse_formula("close / (volume - volume)"))).all()
    (found,) = {*compute_factor(panel, parse_formula("1e6 / volume")).ravel().tolist()}
    assert found == 1


def test_a_value_does_not_change_when_later_bars_are_taken_away() -> None:
    panel = Panel.of(daily_bars(120), Interval.D1)
    for text in FORMULAS:
        formula = parse_formula(text)
        whole, cut = compute_factor(panel, formula), compute_factor(panel.until(80), formula)
        np.testing.assert_array_equal(whole[:81], cut, err_msg=text)
