"""Each session is judged by the close of the session before it, also where all of them are taken again."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest

from kaboom.bars.memory import MemoryActionStore
from kaboom.bars.pages.store import PageBarStore
from kaboom.bars.store import BarStore
from kaboom.ingest import runner
from kaboom.ingest.plan import IngestChunk
from kaboom.ingest.runner import run_chunk
from kaboom.ingest.window import IngestTools
from kaboom.market.bar import BarFlag, BarSeries
from kaboom.market.calendar import last_sessions
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.providers.base import BarRequest, FetchedBars
from tests.fixtures.bars.raw_bars import clean_session, raw_frame
from tests.fixtures.providers.fake_providers import FakeProvider

#: Over the end of a month, and so over two page files of minutes.
DAYS = last_sessions(6, date(2025, 11, 5))
#: 1,000 yen may move by 300 a day: 1,900 is beyond the limit from 1,010, 1,310 is not, nor 1,610 from 1,310.
CALM, FAR = 1010.0, 1900.0
SYMBOL = "7203"
Prices = Mapping[date, float]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BarStore]:
    made = PageBarStore(tmp_path)
    yield made
    asyncio.run(made.close())


@pytest.fixture(params=[Interval.M1, Interval.D1])
def interval(request: pytest.FixtureRequest) -> Interval:
    found: Interval = request.param
    return found


def priced(prices: Prices) -> Any:
    """Answer with sessions at these prices."""

    def answer(request: BarRequest) -> FetchedBars:
        rows = (clean_session(SYMBOL, d, interval=request.interval, price=prices[d]) for d in request.sessions)
        return FetchedBars(raw_frame(row for session in rows for row in session))

    return answer


def take(store: BarStore, interval: Interval, prices: Prices, days: Sequence[date] = DAYS) -> None:
    """Ingest some sessions at their prices."""
    now = datetime(2025, 12, 1, tzinfo=UTC)
    provider = FakeProvider(*[priced(prices)] * len(days))
    tools = IngestTools(provider, store, MemoryActionStore(), Market.TSE_PRIME, frozenset(), lambda: now)
    asyncio.run(run_chunk(IngestChunk(interval, (SYMBOL,), tuple(days)), tools))


def breaches(store: BarStore, interval: Interval) -> list[date]:
    """Return the sessions of which a bar is beyond the limit."""
    span = {"start": datetime.combine(DAYS[0], time(), UTC), "end": datetime(2025, 11, 6, tzinfo=UTC)}
    bars = asyncio.run(store.read(BarSeries("fake", interval), SYMBOL, **span))
    beyond = bars.filter(bars["flags"] & int(BarFlag.LIMIT_BREACH) != 0)
    return sorted(beyond["opened_at"].dt.date().unique())


def calm(**other: float) -> Prices:
    """Return calm prices for all sessions but some, as `day_2=1900.0`."""
    return {day: other.get(f"day_{n}", CALM) for n, day in enumerate(DAYS)}


def test_every_session_is_judged_by_the_previous_close(store: BarStore, interval: Interval) -> None:
    take(store, interval, calm(day_1=FAR, day_4=FAR))
    assert breaches(store, interval) == [DAYS[1], DAYS[2], DAYS[4], DAYS[5]]


@pytest.mark.parametrize("day", range(1, 6))
def test_taken_again_a_session_is_not_judged_by_its_own_old_close(
    store: BarStore, interval: Interval, day: int
) -> None:
    take(store, interval, calm(**{f"day_{day}": FAR}))
    after = DAYS[day + 1 : day + 2]
    assert breaches(store, interval) == [DAYS[day], *after]
    # The same again: judged by what is stored of the session itself, nothing would be wrong with it.
    take(store, interval, calm(**{f"day_{day}": FAR}), DAYS[day:])
    assert breaches(store, interval) == [DAYS[day], *after]
    take(store, interval, calm(), DAYS[day:])
    assert breaches(store, interval) == []


def test_a_window_of_several_sessions_begins_with_the_close_before_its_first(
    store: BarStore, interval: Interval
) -> None:
    # The later ones of the window are stored at other prices, which tell nothing of its first.
    take(store, interval, calm(day_3=FAR, day_4=FAR, day_5=FAR))
    take(store, interval, calm(), DAYS[2:])
    assert breaches(store, interval) == []


@pytest.mark.parametrize("bars", [1, 700])
def test_a_retried_chunk_sees_new_closes_of_the_previous_window(
    store: BarStore, interval: Interval, monkeypatch: pytest.MonkeyPatch, bars: int
) -> None:
    take(store, interval, calm(day_1=FAR, day_2=FAR, day_3=FAR))
    # Windows of a session or two: the close before the second window is one that the first has just corrected.
    monkeypatch.setattr(runner, "_WINDOW_BARS", bars)
    take(store, interval, calm())
    assert breaches(store, interval) == []
