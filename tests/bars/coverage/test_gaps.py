"""Gaps of rolled-up bars, which is what could have been made of minutes; and minutes that differ from their day."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from kaboom.bars.coverage.classify import CoverScope
from kaboom.bars.coverage.gaps import load_cells
from kaboom.bars.memory import MemoryBarStore
from kaboom.bars.store import FETCH_LOG_SCHEMA
from kaboom.market.bar import BarFlag, BarSeries
from kaboom.market.interval import Interval
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, at, bar, frame

pytestmark = pytest.mark.anyio
ROLLED = BarSeries("synthetic_from_1m", Interval.M5)
DAYS_OF_MINUTES = BarSeries("synthetic_from_1m", Interval.D1)
SYMBOLS = [str(7201 + n) for n in range(12)]
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


def told(at_hour: int, *symbols: str) -> pl.DataFrame:
    rows = [(symbol, DAYS[0], 1, datetime(2025, 6, 2, at_hour, tzinfo=UTC)) for symbol in symbols]
    return pl.DataFrame(rows, schema=FETCH_LOG_SCHEMA, orient="row")


@pytest.fixture
async def rolled_up() -> MemoryBarStore:
    """A session of twelve symbols, asked for at nine, rolled up and held against days: one of them differs."""
    store = MemoryBarStore()
    flags = {SYMBOLS[0]: int(BarFlag.DAY_DIFFERS)}
    await store.write(MINUTES, frame(*(bar(symbol, at(DAYS[0])) for symbol in SYMBOLS)))
    days = [bar(symbol, at(DAYS[0]), flags=flags.get(symbol, 0)) for symbol in SYMBOLS]
    await store.write(DAYS_OF_MINUTES, frame(*days))
    await store.write(DAILY, frame(*days))
    await store.save_fetch_log(MINUTES, told(9, *SYMBOLS))
    await store.save_fetch_log(DAYS_OF_MINUTES, told(9, *SYMBOLS))
    return store


async def judge_minutes(store: MemoryBarStore) -> dict[str, int]:
    cells = await load_cells(store, MINUTES, CoverScope(SYMBOLS, DAYS[:1], timedelta(minutes=1), LONG_AFTER))
    return dict(cells.group_by(pl.col("state").cast(str)).len().rows())


async def test_minutes_that_do_not_add_up_to_their_day_differ(rolled_up: MemoryBarStore) -> None:
    assert await judge_minutes(rolled_up) == {"differs": 1, "complete": 11}


async def test_minutes_that_were_taken_again_wait_for_the_next_roll_up(rolled_up: MemoryBarStore) -> None:
    await rolled_up.save_fetch_log(MINUTES, told(10, *SYMBOLS))
    assert await judge_minutes(rolled_up) == {"complete": 12}
    await rolled_up.save_fetch_log(DAYS_OF_MINUTES, told(10, *SYMBOLS))
    assert await judge_minutes(rolled_up) == {"differs": 1, "complete": 11}


async def test_nine_days_in_ten_that_differ_are_still_held_against_their_minutes() -> None:
    ten = MemoryBarStore()
    await ten.write(MINUTES, frame(*(bar(s, at(DAYS[0])) for s in SYMBOLS[:10])))
    flags = [int(BarFlag.DAY_DIFFERS)] * 9 + [0]
    days = frame(*(bar(s, at(DAYS[0]), flags=flag) for s, flag in zip(SYMBOLS, flags, strict=False)))
    for series in (DAYS_OF_MINUTES, DAILY):
        await ten.write(series, days)
    for series in (MINUTES, DAYS_OF_MINUTES):
        await ten.save_fetch_log(series, told(9, *SYMBOLS[:10]))
    cells = await load_cells(ten, MINUTES, CoverScope(SYMBOLS[:10], DAYS[:1], timedelta(minutes=1), LONG_AFTER))
    assert dict(cells.group_by(pl.col("state").cast(str)).len().rows()) == {"differs": 9, "complete": 1}


async def test_days_of_another_kind_say_nothing_of_minutes(rolled_up: MemoryBarStore) -> None:
    flag = int(BarFlag.DAY_DIFFERS)
    await rolled_up.write(DAYS_OF_MINUTES, frame(*(bar(s, at(DAYS[0]), flags=flag) for s in SYMBOLS[:10])))
    assert await judge_minutes(rolled_up) == {"differs": 10, "complete": 2}
    await rolled_up.write(DAYS_OF_MINUTES, frame(*(bar(s, at(DAYS[0]), flags=flag) for s in SYMBOLS[:11])))
    assert await judge_minutes(rolled_up) == {"complete": 12}
