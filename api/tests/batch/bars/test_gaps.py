"""Gaps of rolled-up bars: missing is what could have been made of minutes, and was not."""

from datetime import UTC, date, datetime, timedelta

import pytest

from batch.bars.coverage import CoverScope
from batch.bars.gaps import load_cells
from batch.bars.memory import MemoryBarStore
from batch.market.bar import BarSeries
from batch.market.interval import Interval
from tests.fixtures.stored_bars import MINUTES, at, bar, frame

pytestmark = pytest.mark.anyio
ROLLED = BarSeries("synthetic_from_1m", Interval.M5)
DAYS = (date(2025, 6, 2), date(2025, 6, 3))
LONG_AFTER = datetime(2025, 7, 1, tzinfo=UTC)


async def states(store: MemoryBarStore, *symbols: str, now: datetime = LONG_AFTER) -> list[str]:
    cells = await load_cells(store, ROLLED, CoverScope(symbols, DAYS, timedelta(minutes=1), now))
    return cells["state"].cast(str).to_list()


async def test_a_symbol_without_minutes_is_not_missing() -> None:
    store = MemoryBarStore()
    await store.write(MINUTES, frame(bar("7203", at(DAYS[0]))))
    await store.write(ROLLED, frame(bar("7203", at(DAYS[0]))))
    assert await states(store, "7203", "9999") == ["complete", "empty", "empty", "empty"]


async def test_what_could_be_made_of_minutes_is_missing() -> None:
    store = MemoryBarStore()
    await store.write(MINUTES, frame(bar("7203", at(DAYS[0])), bar("7203", at(DAYS[1]))))
    await store.write(ROLLED, frame(bar("7203", at(DAYS[0]))))
    assert await states(store, "7203") == ["complete", "missing"]


async def test_bars_outlive_their_minutes() -> None:
    store = MemoryBarStore()
    await store.write(ROLLED, frame(bar("7203", at(DAYS[0])), bar("7203", at(DAYS[1]))))
    assert await states(store, "7203") == ["complete", "complete"]


async def test_a_session_that_is_not_over_is_pending() -> None:
    assert await states(MemoryBarStore(), "7203", now=at(DAYS[1], 60)) == ["empty", "pending"]
