"""Whatever is written over a page: its row says what is in it, and the answers are those of the other stores."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from kaboom.bars.memory import MemoryBarStore
from kaboom.bars.pages.store import PageBarStore
from tests.fixtures.bars.stored_bars import JUNE_2, MINUTES, at, bar, frame, full_day

pytestmark = pytest.mark.anyio

FIRST = full_day(["1301", "7203"], JUNE_2)
LATE = pl.col("opened_at") == at(JUNE_2, 390)
OF_TOYOTA = pl.col("symbol") == "7203"
FLAGGED = pl.lit(4, pl.UInt16)

CHANGES = {
    "nothing": FIRST,
    "all values": full_day(["1301", "7203"], JUNE_2, seed=2),
    "the values of one symbol": full_day(["7203"], JUNE_2, seed=2),
    "the last close": FIRST.with_columns(pl.when(LATE).then(pl.col("close") + 1).otherwise("close").alias("close")),
    "a flag in the middle": FIRST.with_columns(
        pl.when(OF_TOYOTA & (pl.col("opened_at") == at(JUNE_2, 5))).then(FLAGGED).otherwise("flags").alias("flags")
    ),
    "the last flag": FIRST.with_columns(pl.when(LATE).then(FLAGGED).otherwise("flags").alias("flags")),
    "values and flags": full_day(["1301", "7203"], JUNE_2, seed=2).with_columns(flags=FLAGGED),
    "a bar more": frame(bar("7203", at(JUNE_2, 391), flags=1)),
    "a bar before, and new values": pl.concat(
        [frame(bar("7203", at(JUNE_2, -1))), full_day(["1301", "7203"], JUNE_2, seed=2)]
    ),
    "another symbol, and new values": full_day(["1301", "7203", "9984"], JUNE_2, seed=2),
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[PageBarStore]:
    store = PageBarStore(tmp_path)
    await store.write(MINUTES, FIRST)
    yield store
    await store.close()


@pytest.mark.parametrize("change", CHANGES)
async def test_a_page_written_again_is_described_anew(store: PageBarStore, change: str) -> None:
    model, days = MemoryBarStore(), {"first": JUNE_2, "last": date(2025, 6, 3)}
    await model.write(MINUTES, FIRST)
    # Flags that are there before, for some to go away.
    for written in (CHANGES["the last flag"], CHANGES[change]):
        told, expected = await store.write(MINUTES, written), await model.write(MINUTES, written)
        assert (told.changed, told.corrected) == (expected.changed, expected.corrected)
        assert (await store.verify()).faults == ()
        assert (await store.coverage(MINUTES, **days)).equals(await model.coverage(MINUTES, **days))
        assert (await store.latest(MINUTES)).equals(await model.latest(MINUTES))
        assert (await store.read_session(MINUTES, JUNE_2)).equals(await model.read_session(MINUTES, JUNE_2))


async def test_a_file_that_is_gone_since_it_was_listed_holds_nothing(store: PageBarStore, tmp_path: Path) -> None:
    # Listed, and not there when it is opened.
    (tmp_path / "synthetic/1m/2025-07.sqlite").symlink_to("nowhere")
    july = date(2025, 7, 31)
    assert (await store.latest(MINUTES))["symbol"].to_list() == ["1301", "7203"]
    assert (await store.coverage(MINUTES, first=JUNE_2, last=july))["bars"].sum() == FIRST.height
    assert (await store.load_fetch_log(MINUTES, first=JUNE_2, last=july)).is_empty()
    assert (await store.read_session(MINUTES, date(2025, 7, 1))).is_empty()
