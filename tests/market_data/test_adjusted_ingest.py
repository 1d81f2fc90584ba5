"""From a split that the provider makes to a series without a jump: ingest, store, HTTP; the raw rows untouched."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import httpx2
import polars as pl
import pytest

from kaboom.bars.open import build_bar_store
from kaboom.ingest.request import IngestRequest
from kaboom.ingest.run_daily import run_daily_ingest
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import sessions_between
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market, load_universe
from kaboom.market.rules import limit_bounds
from tests.fixtures.jobs.apps import client_of, memory_settings, running
from tests.fixtures.providers.synthetic_faults.splits import find_splits

pytestmark = pytest.mark.anyio
SPAN = (date(2025, 2, 3), date(2025, 11, 28))
SEED = 20250923


@dataclass
class Split:
    """A split of a made-up symbol, and the sessions around it."""

    symbol: str
    ex_session: date
    ratio: float
    days: tuple[date, ...]


def find_split() -> Split:
    """Return the first split by three or more in a year of the section."""
    symbols = load_universe(Market.TSE_PRIME, SPAN[1]).symbols
    splits = find_splits(symbols, SEED, first=SPAN[0], last=SPAN[1])
    symbol, session, ratio = splits.filter(pl.col("ratio") >= 3).row(0)
    days = sessions_between(session - timedelta(days=9), session + timedelta(days=9))
    return Split(symbol, session, ratio, days)


@pytest.fixture
async def split() -> Split:
    return find_split()


@pytest.fixture
async def http(tmp_path: Path, split: Split, anyio_backend: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an API whose store holds minutes and days around the split, as an ingest left them."""
    settings = memory_settings(tmp_path, bar_store="pages", synthetic_seed=SEED)
    wanted = {"intervals": {"1m": 3, "1d": len(split.days)}, "symbols": [split.symbol]}
    after = split.days[split.days.index(split.ex_session) + 1]
    for request in (wanted | {"session": str(split.days[-1])}, wanted | {"session": str(after)}):
        report = await run_daily_ingest(IngestRequest.parse(request), settings=settings)
        assert report.counts.get("actions_reported", 0) >= 1
    async with running(settings) as app, client_of(app) as client:
        yield client
    await build_bar_store(settings).close()


async def read(http: httpx2.AsyncClient, split: Split, interval: str, *, adjusted: bool) -> pl.DataFrame:
    params = {"interval": interval, "start": str(split.days[0]), "end": str(split.days[-1] + timedelta(days=1))}
    answer = await http.get(f"/api/v1/bars/{split.symbol}", params=params | {"adjusted": str(adjusted).lower()})
    bars = pl.DataFrame(answer.json()["items"])
    return bars.with_columns(pl.col("opened_at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC"))


@pytest.mark.parametrize("interval", ["1m", "1d"])
async def test_the_adjusted_series_has_no_jump_at_the_split(
    http: httpx2.AsyncClient, split: Split, interval: str
) -> None:
    raw, adjusted = [await read(http, split, interval, adjusted=flag) for flag in (False, True)]
    is_old = raw["opened_at"].dt.date() < split.ex_session
    assert 0 < is_old.sum() < raw.height
    before, after = raw.filter(is_old)["close"][-1], raw.filter(~is_old)["open"][0]
    lower, upper = limit_bounds(pl.Series([before]).to_numpy())
    assert after < lower[0], "the raw series jumps beyond what a day may bring"
    smooth = adjusted.filter(is_old)["close"][-1]
    lower, upper = limit_bounds(pl.Series([smooth]).to_numpy())
    assert lower[0] <= adjusted.filter(~is_old)["open"][0] <= upper[0]
    assert adjusted.filter(~is_old).equals(raw.filter(~is_old))
    assert adjusted.filter(is_old)["close"].to_list() == pytest.approx(
        [close / split.ratio for close in raw.filter(is_old)["close"]]
    )


async def test_raw_rows_are_what_the_provider_gave(http: httpx2.AsyncClient, split: Split, tmp_path: Path) -> None:
    await read(http, split, "1d", adjusted=True)
    store = build_bar_store(memory_settings(tmp_path, bar_store="pages", synthetic_seed=SEED))
    series = BarSeries("synthetic", Interval.D1)
    frames = [await store.read_session(series, day) for day in split.days]
    raw = await read(http, split, "1d", adjusted=False)
    assert pl.concat(frames)["close"].to_list() == raw["close"].to_list()
    assert raw.height == len(split.days)
