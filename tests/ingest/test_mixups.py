"""A provider that mixes things up in ways that its answers do not betray: another symbol, another day."""

import asyncio
from dataclasses import replace
from datetime import datetime

import polars as pl
import pytest

from kaboom.bars.memory import MemoryBarStore
from kaboom.bars.quality.checks import check_bars
from kaboom.market.bar import BarFlag, BarSeries
from kaboom.market.calendar import auction_stamps
from kaboom.market.interval import Interval
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.synthetic.provider import SyntheticProvider
from tests.fixtures.bars.raw_bars import asking, clean_session, raw_bar, raw_frame
from tests.fixtures.providers.recall import LATER, SEED, SESSIONS, UNIVERSE, Lab
from tests.fixtures.providers.synthetic_faults.faults import Fault, SyntheticFaults

YESTERDAY, TODAY = SESSIONS[-2:]
OFTEN = (Interval.M1, Interval.M5, Interval.H1, Interval.D1)


class SwappingProvider(SyntheticProvider):
    """Gives each two neighbours the bars of the other, under its own name: a check of names sees nothing."""

    async def fetch_bars(self, request: BarRequest) -> FetchedBars:
        fetched = await super().fetch_bars(request)
        pairs = list(zip(request.symbols[::2], request.symbols[1::2], strict=False))
        names = {one: other for pair in pairs for one, other in (pair, pair[::-1])}
        return FetchedBars(fetched.bars.with_columns(pl.col("symbol").replace(names)), {})


def flagged(bars: pl.DataFrame, flags: BarFlag) -> pl.Series:
    return bars.filter((pl.col("flags") & flags.value) != 0)["symbol"].unique()


def test_mixed_up_symbols_are_suspected_unless_prices_are_similar() -> None:
    lab, store = Lab(Interval.M1), MemoryBarStore()
    lab.take(lab.provider(), store, [YESTERDAY])
    lab.take(SwappingProvider(seed=SEED, clock=lambda: LATER), store, [TODAY])
    bars = lab.held(store)
    closes = bars.filter(session=YESTERDAY).group_by("symbol").agg(base=pl.col("close").last())
    today = bars.filter(session=TODAY).join(closes, on="symbol")
    suspects = flagged(today, BarFlag.SPLIT_SUSPECT | BarFlag.LIMIT_BREACH)
    opens = today.group_by("symbol", "base").agg(pl.col("open").first())
    # The widest limit is 50 % up and 30 % down, of shares below 100 yen.
    far = opens.filter(~(pl.col("open") / pl.col("base")).is_between(0.66, 1.5))
    assert far.height > 200
    assert set(far["symbol"]) <= set(suspects)
    assert 0.8 < len(suspects) / opens.height < 0.95


@pytest.mark.parametrize("interval", OFTEN)
def test_yesterday_s_bars_under_today_s_stamps_are_stale(interval: Interval) -> None:
    lab, store = Lab(interval), MemoryBarStore()
    lab.take(lab.provider(), store, [YESTERDAY])
    faults = replace(SyntheticFaults.none(), **{Fault.STALE_DAY.value: 1.0})
    window = lab.take(lab.provider(faults), store, [TODAY])[0]
    bars = lab.held(store).filter(session=TODAY)
    stale = bars.filter((pl.col("flags") & BarFlag.STALE.value) != 0)
    assert stale.height == window.counts["flag_stale"]
    before = lab.held(store).filter(session=YESTERDAY)
    # One lot a day at one price is no sign; who did not trade then cannot be repeated.
    rest = bars.join(stale, on="symbol", how="anti").join(before, on="symbol", how="semi")
    rest = rest.group_by("symbol").agg(pl.len(), pl.col("high").n_unique())
    assert rest.filter((pl.col("len") >= 5) | (pl.col("high") > 1)).is_empty()
    assert stale["symbol"].n_unique() > 0.98 * bars["symbol"].n_unique()


@pytest.mark.parametrize("interval", OFTEN)
def test_a_day_that_is_like_the_one_before_in_one_frame_is_stale(interval: Interval) -> None:
    first = clean_session("7203", YESTERDAY, interval=interval)
    second = [row | {"opened_at": row["opened_at"] + (TODAY - YESTERDAY)} for row in first]
    asked = asking(sessions=(YESTERDAY, TODAY), interval=interval)
    checked = check_bars(raw_frame(first + second), asked)
    assert checked.bars["flags"].to_list() == [0] * len(first) + [BarFlag.STALE] * len(second)
    assert dict(checked.flags) == {"stale": len(first)}
    second[-1] = second[-1] | {"volume": 101.0}
    assert dict(check_bars(raw_frame(first + second), asked).flags) == {}


def test_one_lot_at_the_price_of_the_day_before_is_not_stale() -> None:
    rows = [raw_bar("7203", auction_stamps(day)[1]) for day in (YESTERDAY, TODAY)]
    assert dict(check_bars(raw_frame(rows), asking(sessions=(YESTERDAY, TODAY))).flags) == {}


def test_only_symbols_that_end_where_they_ended_are_read() -> None:
    lab, store = Lab(Interval.M1), CountingStore()
    lab.take(lab.provider(), store, [YESTERDAY, TODAY])
    assert 0 < len(store.asked_for) < 0.05 * len(lab.symbols)
    assert set(store.asked_for) <= set(UNIVERSE.symbols)


class CountingStore(MemoryBarStore):
    """A store that knows whose bars were read."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_for: list[str] = []

    async def read(self, series: BarSeries, symbol: str, **between: datetime) -> pl.DataFrame:
        self.asked_for.append(symbol)
        return await super().read(series, symbol, **between)


def test_bars_nine_hours_late_are_refused_whole() -> None:
    lab, store = Lab(Interval.M1), MemoryBarStore()
    faults = replace(SyntheticFaults.none(), **{Fault.TZ_SHIFT_9H.value: 1.0})
    window = lab.take(lab.provider(faults), store, [TODAY])[0]
    assert lab.held(store).is_empty()
    reasons = asyncio.run(store.read_quarantine(lab.series))["reason"].unique()
    assert set(reasons) == {"off_grid", "closed_day"}
    assert window.counts["quarantined"] > 0
