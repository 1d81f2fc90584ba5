"""Synthetic indices: the same every time, no larger than their year allows, and without trades."""

import asyncio
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from kaboom.market.calendar import closes_at, sessions_between
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.outcome import Outcome
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.synthetic.provider import SyntheticProvider

YEARS = sessions_between(date(2023, 1, 1), date(2025, 12, 31))
LATER = datetime.fromisoformat("2026-06-01T00:00:00+09:00")


def fetch(*symbols: str, sessions: tuple[date, ...] = YEARS, now: datetime = LATER, seed: int = 1) -> FetchedBars:
    provider = SyntheticProvider(seed=seed, clock=lambda: now)
    return asyncio.run(provider.fetch_bars(BarRequest(symbols, Interval.D1, sessions)))


def returns(bars: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.diff(np.log(bars["close"].to_numpy()))


def test_a_small_market_of_indices_is_offered() -> None:
    found = asyncio.run(SyntheticProvider(seed=1).fetch_universe(Market.INDEX, YEARS[0]))
    assert found == ("^0000", "^0028", "^0070", "^N225")


def test_every_session_has_a_bar_whose_prices_are_in_order() -> None:
    bars = fetch("^0000", "^N225").bars
    assert bars.height == 2 * len(YEARS)
    assert bars.select((pl.col("low") <= pl.min_horizontal("open", "close")).all()).item()
    assert bars.select((pl.col("high") >= pl.max_horizontal("open", "close")).all()).item()
    assert bars["volume"].unique().to_list() == [0.0]


def test_indices_move_together_and_like_an_index() -> None:
    topix, nikkei = (returns(fetch(symbol).bars) for symbol in ("^0000", "^N225"))
    assert 0.007 < topix.std() < 0.012
    assert np.abs(topix).max() < 0.06
    assert np.corrcoef(topix, nikkei)[0, 1] > 0.8


def test_a_bar_depends_on_seed_and_day_alone() -> None:
    day = (YEARS[100],)
    whole = fetch("^0000").bars
    assert fetch("^0000", sessions=day).bars.equals(whole.filter(pl.col("opened_at").dt.date() == day[0]))
    assert not fetch("^0000", sessions=day, seed=2).bars.equals(fetch("^0000", sessions=day).bars)


def test_a_session_that_is_not_over_has_no_bar() -> None:
    day = (YEARS[-1],)
    early = fetch("^0000", sessions=day, now=closes_at(day[0]))
    assert (early.bars.height, early.outcomes["^0000"].outcome) == (0, Outcome.NO_TRADES)
    assert fetch("^0000", sessions=day, now=closes_at(day[0]) + timedelta(minutes=1)).bars.height == 1
