"""Synthetic bars depend on seed, symbol and date, and on nothing else."""

import asyncio
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market, load_universe
from kaboom.providers.base import BarRequest
from kaboom.providers.synthetic.daily import build_year
from kaboom.providers.synthetic.provider import SyntheticProvider
from kaboom.providers.synthetic.rng import Stream, bounded_normals, derive_keys, hash_words, normals, uniforms

SYMBOLS = load_universe(Market.TSE_PRIME, date(2024, 11, 5)).symbols[:160]
SESSIONS = (date(2023, 12, 29), date(2024, 11, 1), date(2024, 11, 5))


def fetch(
    symbols: tuple[str, ...], sessions: tuple[date, ...], interval: Interval = Interval.M1, seed: int = 3
) -> pl.DataFrame:
    provider = SyntheticProvider(seed=seed, clock=lambda: datetime(2026, 11, 1, tzinfo=UTC))
    return asyncio.run(provider.fetch_bars(BarRequest(symbols, interval, sessions))).bars


def fingerprint() -> str:
    bars = fetch(SYMBOLS[:20], SESSIONS)
    return f"{bars.height} {bars.hash_rows(seed=1).sum()} {bars['close'].sum()!r} {bars['volume'].sum()!r}"


@pytest.mark.parametrize("interval", [Interval.M1, Interval.H1, Interval.D1])
def test_chunks_orders_and_single_sessions_give_the_same_bars(interval: Interval) -> None:
    whole = fetch(SYMBOLS, SESSIONS, interval)
    build_year.cache_clear()
    backwards = tuple(reversed(SYMBOLS))
    parts = [
        fetch(backwards[i : i + size], (session,), interval)
        for session in reversed(SESSIONS)
        for i, size in ((0, 37), (37, 100), (137, 23))
    ]
    assert pl.concat(parts).sort("symbol", "opened_at").equals(whole.sort("symbol", "opened_at"))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=8, unique=True), st.sampled_from(SESSIONS))
def test_company_of_other_symbols_changes_nothing(symbols: list[str], session: date) -> None:
    alone = fetch((symbols[0],), (session,))
    together = fetch(tuple(symbols), (session,)).filter(pl.col("symbol") == symbols[0])
    assert together.equals(alone)


def test_another_process_gives_the_same_bars() -> None:
    # A fresh interpreter has another hash seed and cold caches.
    paths = [str(Path(__file__).parent), *sys.path]
    script = f"import sys; sys.path[:] = {paths!r}; import {Path(__file__).stem} as t; print(t.fingerprint())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == fingerprint()


def test_another_seed_gives_other_bars() -> None:
    assert not fetch(SYMBOLS[:3], SESSIONS[:1], seed=3).equals(fetch(SYMBOLS[:3], SESSIONS[:1], seed=4))


def test_no_bars_are_made_up_for_a_code_that_no_list_has() -> None:
    bars = fetch(("9998", "7203"), SESSIONS)
    assert bars["symbol"].unique().to_list() == ["7203"]
    assert bars["opened_at"].dt.date().n_unique() == len(SESSIONS)


def test_random_numbers_have_the_moments_they_claim() -> None:
    words = hash_words(derive_keys(1, ["a", "b", "c", "d"])[:, None], Stream.PATH, np.arange(50_000))
    for numbers, mean, deviation in (
        (uniforms(words), 0.5, 12**-0.5),
        (normals(words), 0.0, 1.0),
        (bounded_normals(words), 0.0, 1.0),
    ):
        assert abs(numbers.mean() - mean) < 0.01
        assert abs(numbers.std() - deviation) < 0.01
        # Neighbours, and the same place in two streams, know nothing of each other.
        assert abs(np.corrcoef(numbers[:, 1:].ravel(), numbers[:, :-1].ravel())[0, 1]) < 0.01
        assert abs(np.corrcoef(numbers[0], numbers[1])[0, 1]) < 0.02


def test_golden_bar() -> None:
    # Whatever changes this bar changes all that users have stored: raise GENERATOR_VERSION with it.
    row = fetch(("7203",), (date(2024, 11, 5),), Interval.D1).row(0)
    assert row[2:] == (1842.0, 1848.0, 1824.5, 1825.5, 18_676_000.0)
