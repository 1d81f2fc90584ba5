"""The first bars of a span are those that reading all of it would begin with, and cost no more than they must."""

from datetime import UTC, date, datetime, timedelta

import pytest

from kaboom.bars.memory import MemoryBarStore
from kaboom.bars.windows import read_first
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, at, bar, frame, full_day

pytestmark = pytest.mark.anyio
OLD, NEW = datetime(1970, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
DAYS = [date(2024, 12, 30), *(date(2025, 6, 2) + timedelta(days=n) for n in range(4)), date(2026, 3, 2)]


class Watched(MemoryBarStore):
    """A store that remembers how many bars it was asked to decode, and the longest span that it was asked for."""

    decoded, reads, longest = 0, 0, timedelta()

    async def read(self, series: BarSeries, symbol: str, *, start: datetime, end: datetime):  # type: ignore[no-untyped-def]  # noqa: ANN201  as the port has it
        found = await super().read(series, symbol, start=start, end=end)
        self.decoded += found.height
        self.reads += 1
        self.longest = max(self.longest, end - start)
        return found


@pytest.fixture
async def store() -> Watched:
    store = Watched()
    for seed, day in enumerate(DAYS):
        await store.write(MINUTES, full_day(["6758", "7203"], day, seed))
        await store.write(DAILY, frame(bar("7203", at(day))))
    return store


@pytest.mark.parametrize("limit", [1, 327, 328, 1500, 1962, 5000])
@pytest.mark.parametrize("start", [OLD, at(DAYS[0], 5), at(DAYS[2]), at(DAYS[-1], 390), NEW - timedelta(seconds=1)])
async def test_they_are_the_first_of_all(store: Watched, limit: int, start: datetime) -> None:
    whole = await MemoryBarStore.read(store, MINUTES, "7203", start=start, end=NEW)
    assert (await read_first(store, MINUTES, "7203", start=start, end=NEW, limit=limit)).equals(whole.head(limit))


async def test_the_end_is_not_included(store: Watched) -> None:
    end = at(DAYS[1], 2)
    found = await read_first(store, MINUTES, "7203", start=OLD, end=end, limit=10_000)
    assert (found.height, found["opened_at"].max()) == (327 + 2, at(DAYS[1], 1))


async def test_a_window_that_holds_just_enough_is_the_last_one(store: Watched) -> None:
    found = await read_first(store, MINUTES, "7203", start=at(DAYS[1]), end=NEW, limit=4 * 327)
    assert (found.height, store.reads) == (4 * 327, 1)


async def test_little_more_is_decoded_than_is_wanted(store: Watched) -> None:
    await read_first(store, MINUTES, "7203", start=at(DAYS[0]), end=NEW, limit=100)
    assert store.decoded == 327
    store.decoded = store.reads = 0
    # Sixty empty years are stepped over, a year at a time.
    await read_first(store, MINUTES, "7203", start=OLD, end=NEW, limit=100)
    assert store.decoded <= 6 * 327
    assert store.reads < 70
    assert store.longest <= timedelta(days=366)


async def test_a_span_without_bars_is_read_in_steps_that_double(store: Watched) -> None:
    await read_first(store, MINUTES, "7203", start=at(DAYS[0]), end=at(DAYS[1]), limit=400)
    # Half a year without bars.
    assert 3 < store.reads < 10
    assert store.longest < timedelta(days=120)


async def test_daily_bars_are_read_at_once(store: Watched) -> None:
    found = await read_first(store, DAILY, "7203", start=OLD, end=NEW, limit=4)
    assert [t.date() for t in found["opened_at"]] == DAYS[:4]
    assert store.reads == 1


async def test_nothing_held_is_nothing(store: Watched) -> None:
    series = BarSeries("synthetic", Interval.H1)
    assert (await read_first(store, series, "7203", start=OLD, end=NEW, limit=4)).is_empty()
