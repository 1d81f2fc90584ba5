"""Yahoo divides prices and dividends by later splits: what is kept is as traded and paid, whenever it was asked for."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from kaboom.bars.actions.adjustment import applied_actions, resolve_actions
from kaboom.bars.memory import MemoryActionStore, MemoryBarStore
from kaboom.ingest.plan import IngestChunk
from kaboom.ingest.runner import run_chunk
from kaboom.ingest.window import IngestTools
from kaboom.market.action import CorporateAction
from kaboom.market.adjust import adjust_bars
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import last_sessions
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.outcome import Outcome
from kaboom.providers.divided_prices import DayPrices, find_divisors
from kaboom.providers.limiter.rate_limiter import NoRateLimit
from kaboom.providers.yahoo.provider import YahooProvider, connect_yahoo
from tests.fixtures.providers.fake_yahoo import FakeYahoo, yahoo_server

TODAY = date(2026, 11, 16)
DAYS = last_sessions(10, TODAY)
#: The first session at the new price, of one share made five.
EX = DAYS[5]
BEFORE, SINCE = DAYS[:5], DAYS[5:]
NEW, OLD = 1710.0, 8550.0
every_interval = pytest.mark.parametrize("interval", [Interval.M1, Interval.H1, Interval.D1])


class Kept:
    """A Kaboom that takes Yahoo's bars of 7203 into memory."""

    def __init__(self, fake: FakeYahoo, interval: Interval) -> None:
        self.fake, self.series = fake, BarSeries("yahoo", interval)
        self.store, self.actions = MemoryBarStore(), MemoryActionStore()

    def ingest(self, sessions: Sequence[date], *, on: date = TODAY, symbol: str = "7203") -> dict[str, int]:
        """Take the bars of some sessions, in the evening of a day."""

        async def run() -> dict[str, int]:
            self.fake.today = on
            evening = datetime.combine(on, time(9), UTC)
            provider = YahooProvider(connect_yahoo(self.fake.url, NoRateLimit()), clock=lambda: evening)
            tools = IngestTools(
                provider, self.store, self.actions, Market.TSE_PRIME, frozenset(), lambda: evening + timedelta(hours=8)
            )
            report = await run_chunk(IngestChunk(self.series.interval, (symbol,), tuple(sessions)), tools)
            await provider.close()
            assert report.outcomes[0].outcome is Outcome.OK, report.outcomes
            return dict(report.counts)

        return asyncio.run(run())

    def raw(self, symbol: str = "7203") -> pl.DataFrame:
        span = {"start": datetime(2026, 1, 1, tzinfo=UTC), "end": datetime(2027, 1, 1, tzinfo=UTC)}
        return asyncio.run(self.store.read(self.series, symbol, **span))

    def adjusted(self) -> pl.DataFrame:
        return adjust_bars(self.raw(), applied_actions(asyncio.run(self.actions.load("yahoo")), until=TODAY))

    def told(self) -> list[tuple[Any, ...]]:
        return self._actions().filter(amount=0).select("ex_session", "factor", "state").rows()

    def paid(self) -> list[tuple[Any, ...]]:
        return self._actions().filter(pl.col("amount") > 0).select("ex_session", "amount", "state").rows()

    def _actions(self) -> pl.DataFrame:
        return resolve_actions(asyncio.run(self.actions.load("yahoo")))


@pytest.fixture
def fake() -> Iterator[FakeYahoo]:
    with yahoo_server() as fake:
        fake.splits = {"7203": {EX: 5.0}}
        fake.market.splits = {"7203": {EX: 5.0}}
        yield fake


def opens(bars: pl.DataFrame) -> dict[date, float]:
    """Return the open of each session."""
    first = bars.group_by(pl.col("opened_at").dt.date(), maintain_order=True).agg(pl.col("open").first())
    return dict(first.rows())


def volumes(bars: pl.DataFrame) -> dict[date, int]:
    """Return the volume of the first bar of each session."""
    first = bars.group_by(pl.col("opened_at").dt.date(), maintain_order=True).agg(pl.col("volume").first())
    return dict(first.rows())


AS_TRADED = dict.fromkeys(BEFORE, OLD) | dict.fromkeys(SINCE, NEW)


def check(kept: Kept, days: Sequence[date] = DAYS) -> None:
    """Hold what is kept against what was traded, and what is read adjusted against shares of today."""
    raw, adjusted = kept.raw(), kept.adjusted()
    assert opens(raw) == {day: AS_TRADED[day] for day in days}
    assert opens(adjusted) == dict.fromkeys(days, NEW)
    lots = 100 * (60 if kept.series.interval is Interval.H1 else 1)
    assert volumes(raw) == {day: day.day * lots for day in days}
    assert volumes(adjusted) == {day: day.day * lots * (5 if day < EX else 1) for day in days}
    prices = raw.select("open", "high", "low", "close")
    assert prices.equals(prices.select(pl.all().round(1))), "what a division rounded was not put right"
    assert kept.told() == [(EX, 0.2, "reported")]


@every_interval
def test_days_before_a_split_that_was_reported_first_are_adjusted_once(fake: FakeYahoo, interval: Interval) -> None:
    kept = Kept(fake, interval)
    kept.ingest(DAYS[4:5], on=DAYS[4])
    kept.ingest(DAYS[5:6], on=DAYS[5])
    assert kept.told() == [(EX, 0.2, "reported")]
    kept.ingest(DAYS[:4])
    kept.ingest(DAYS[6:])
    check(kept)


@every_interval
def test_a_window_over_a_split_that_is_taken_after_it_is_as_traded(fake: FakeYahoo, interval: Interval) -> None:
    kept = Kept(fake, interval)
    kept.ingest(DAYS)
    check(kept)


@every_interval
def test_days_taken_before_a_split_and_again_after_it_are_the_same(fake: FakeYahoo, interval: Interval) -> None:
    kept = Kept(fake, interval)
    kept.ingest(BEFORE, on=BEFORE[-1])
    first = kept.raw()
    counts = kept.ingest(DAYS)
    assert "corrected" not in counts
    assert kept.raw().filter(pl.col("opened_at") < datetime.combine(EX, time(), UTC)).equals(first)
    check(kept)


@every_interval
def test_a_split_after_the_days_asked_for_is_undone_and_reported(fake: FakeYahoo, interval: Interval) -> None:
    kept = Kept(fake, interval)
    kept.ingest(DAYS[1:3])
    check(kept, DAYS[1:3])


@every_interval
def test_a_history_that_is_divided_in_part_is_as_traded(fake: FakeYahoo, interval: Interval) -> None:
    # As Yahoo had it of 4063 in March 2023: the day before the split alone was divided.
    fake.divided_from = {"7203": BEFORE[-1]}
    kept = Kept(fake, interval)
    kept.ingest(DAYS)
    check(kept)
    kept = Kept(fake, interval)
    kept.ingest(DAYS[1:4])
    check(kept, DAYS[1:4])


@every_interval
def test_a_history_that_is_not_divided_yet_is_left_alone(fake: FakeYahoo, interval: Interval) -> None:
    fake.divided_from = {"7203": EX}
    kept = Kept(fake, interval)
    kept.ingest(DAYS)
    check(kept)


@pytest.mark.parametrize("sessions", [DAYS[1:4], DAYS[2:8], DAYS])
def test_minutes_that_are_not_divided_where_days_are_are_left_alone(
    fake: FakeYahoo, sessions: tuple[date, ...]
) -> None:
    fake.divides_minutes = False
    kept = Kept(fake, Interval.M1)
    kept.ingest(sessions)
    check(kept, sessions)


def test_an_older_split_does_not_confirm_a_newer_one_of_the_same_ratio() -> None:
    traded = np.array([4.0] * 3 + [2.0] * 4 + [1.0] * 3)
    splits = [CorporateAction("7203", day, 0.5) for day in (DAYS[3], DAYS[7])]
    # Yahoo has divided by the newer one, and not by the older one.
    given = traded / np.array([2.0] * 7 + [1.0] * 3)
    days = DayPrices(np.array([(day - date(1970, 1, 1)).days for day in DAYS]), given, given)
    assert (given / find_divisors(days, splits)).tolist() == traded.tolist()


def test_prices_before_two_splits_are_those_before_both(fake: FakeYahoo) -> None:
    fake.splits = fake.market.splits = {"7203": {DAYS[3]: 2.0, DAYS[7]: 3.0}}
    kept = Kept(fake, Interval.D1)
    kept.ingest(DAYS[:2])
    kept.ingest(DAYS[2:])
    traded = [NEW * 6] * 3 + [NEW * 3] * 4 + [NEW] * 3
    assert list(opens(kept.raw()).values()) == traded
    assert list(opens(kept.adjusted()).values()) == pytest.approx([NEW] * 10)
    assert kept.told() == [(DAYS[3], 0.5, "reported"), (DAYS[7], 1 / 3, "reported")]


def test_two_splits_of_one_ratio_are_distinguished(fake: FakeYahoo) -> None:
    fake.splits = fake.market.splits = {"7203": {DAYS[3]: 2.0, DAYS[7]: 2.0}}
    kept = Kept(fake, Interval.D1)
    kept.ingest(DAYS)
    assert list(opens(kept.raw()).values()) == [NEW * 4] * 3 + [NEW * 2] * 4 + [NEW] * 3


def test_a_reverse_split_is_undone(fake: FakeYahoo) -> None:
    fake.splits = fake.market.splits = {"7203": {EX: 0.1}}
    kept = Kept(fake, Interval.D1)
    kept.ingest(DAYS[:3])
    assert set(opens(kept.raw()).values()) == {NEW / 10}
    assert kept.told() == [(EX, 10.0, "reported")]


def test_the_newest_session_takes_one_request_and_older_minutes_one_more(fake: FakeYahoo) -> None:
    Kept(fake, Interval.M1).ingest(DAYS[-1:])
    assert [request.params["interval"] for request in fake.requests] == ["1m"]
    fake.requests.clear()
    Kept(fake, Interval.M1).ingest(DAYS[-2:-1])
    assert [request.params["interval"] for request in fake.requests] == ["1m", "1d"]
    fake.requests.clear()
    Kept(fake, Interval.D1).ingest(DAYS[:2])
    assert [request.params["interval"] for request in fake.requests] == ["1d"]


@every_interval
def test_dividends_are_reported_as_they_were_paid_whenever_they_are_asked_for(
    fake: FakeYahoo, interval: Interval
) -> None:
    paid = {BEFORE[1]: 135.0, EX: 275.0, SINCE[2]: 13.3333}
    fake.dividends = {"7203": paid, "6758": {EX: 40.0}}
    kept = Kept(fake, interval)
    kept.ingest(BEFORE[:2], on=BEFORE[1])
    assert kept.paid() == [(BEFORE[1], 135.0, "reported")]
    kept.ingest(DAYS)
    check(kept)
    assert kept.paid() == [(day, amount, "reported") for day, amount in paid.items()]


def test_a_dividend_after_the_days_asked_for_is_reported(fake: FakeYahoo) -> None:
    fake.dividends = {"7203": {DAYS[0]: 10.0, SINCE[0]: 27.5}}
    kept = Kept(fake, Interval.D1)
    kept.ingest(BEFORE[1:3])
    assert kept.paid() == [(SINCE[0], 27.5, "reported")]
