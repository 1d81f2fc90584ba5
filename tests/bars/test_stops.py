"""Exports, roll-ups and compactions that are stopped in the middle leave what was there, and nothing of their own."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from kaboom.bars.export.files import export_files
from kaboom.bars.export.manifest import MANIFEST, Manifest
from kaboom.bars.export.plan import Selection, plan_file
from kaboom.bars.memory import MemoryBarStore
from kaboom.bars.pages import compact as page_compact
from kaboom.bars.pages.compact import compact_shard
from kaboom.bars.pages.files import PageFile, PageFiles
from kaboom.bars.pages.read import read_session
from kaboom.bars.pages.verify import verify
from kaboom.bars.pages.write import write_bars
from kaboom.bars.store import Compaction
from kaboom.drivers.clock import utc_now
from kaboom.drivers.stop import Stopped
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import last_sessions
from kaboom.market.interval import Interval
from kaboom.market_data.mirror import mirror_chunk, plan_mirror
from kaboom.market_data.request import MirrorRequest
from kaboom.market_data.roll_up import roll_up_chunk
from kaboom.market_data.roll_up_plan import RollUpChunk
from tests.fixtures.bars.stored_bars import MINUTES, full_day

DAYS = last_sessions(6, date(2025, 6, 30))
SYMBOLS = [str(1301 + n) for n in range(40)]
ALL = Selection(MINUTES, date(2025, 1, 1), date(2025, 12, 31))


class After:
    """Wants a stop from the so-manieth question on."""

    def __init__(self, questions: int) -> None:
        self.left = questions

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.fixture
async def store() -> MemoryBarStore:
    store = MemoryBarStore()
    for seed, day in enumerate(DAYS):
        await store.write(MINUTES, full_day(SYMBOLS, day, seed))
    return store


@pytest.mark.anyio
@pytest.mark.parametrize("suffix", ["parquet", "csv", "arrow"])
@pytest.mark.parametrize("questions", [0, 3, 6, 8, 12])
async def test_an_export_that_is_stopped_leaves_the_old_file(
    store: MemoryBarStore, tmp_path: Path, suffix: str, questions: int
) -> None:
    # Six questions while sessions are read, six while they are put together, one before the file takes its name.
    path = tmp_path / f"bars.{suffix}"
    path.write_bytes(b"the old one")
    planned = await plan_file(store, ALL, path)
    assert await export_files(store, planned, should_stop=After(questions)) == []
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"the old one"]  # noqa: ASYNC240  one small file
    (written,) = await export_files(store, planned, should_stop=After(13))
    assert written.bars == 6 * 40 * 327


@pytest.mark.anyio
async def test_a_stop_takes_effect_within_a_large_session(
    store: MemoryBarStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaboom.bars.export.files._STREAM_ROWS", 1000)
    planned = await plan_file(store, Selection(MINUTES, DAYS[0], DAYS[0]), tmp_path / "a.parquet")
    # 13,080 rows of one session: a question to read it, 14 to put it together, and one at the end.
    assert await export_files(store, planned, should_stop=After(15)) == []
    (written,) = await export_files(store, planned, should_stop=After(16))
    assert pl.read_parquet(written.path).height == 13_080


@pytest.mark.anyio
async def test_a_mirror_stops_within_a_file_and_keeps_those_before(store: MemoryBarStore, tmp_path: Path) -> None:
    may = last_sessions(1, date(2025, 5, 30))[0]
    await store.write(MINUTES, full_day(SYMBOLS, may))
    plan = await plan_mirror(MirrorRequest(), store, str(tmp_path), now=utc_now())
    assert plan.chunk.items == ("synthetic/1m/2025-05", "synthetic/1m/2025-06")
    # One between files, two or three for the short file, and some of the long one.
    report = await mirror_chunk(plan.chunk, store, str(tmp_path), should_stop=After(10))
    assert [outcome.symbol for outcome in report.outcomes] == ["synthetic/1m/2025-05"]
    assert not (tmp_path / MANIFEST).exists()
    (early,) = tmp_path.rglob("*.parquet")  # noqa: ASYNC240  few files
    rest = await mirror_chunk(plan.chunk, store, str(tmp_path), start=1)
    assert [outcome.symbol for outcome in rest.outcomes] == ["synthetic/1m/2025-06"]
    manifest = Manifest.parse((tmp_path / MANIFEST).read_bytes(), "")
    assert [file.path for file in manifest.files][:1] == [early.relative_to(tmp_path).as_posix()]


@pytest.mark.anyio
@pytest.mark.parametrize("questions", range(1, 5))
async def test_a_roll_up_stops_between_the_intervals_of_a_window(store: MemoryBarStore, questions: int) -> None:
    # Two windows of seven days, two intervals in each, and a question before the slice.
    spans = dict.fromkeys((Interval.H1, Interval.D1), (DAYS[0], DAYS[-1]))
    chunk = RollUpChunk("synthetic", tuple(SYMBOLS), spans)
    assert (await roll_up_chunk(chunk, store, should_stop=After(questions))).outcomes == ()
    written = [len(await store.list_series()) - 1, questions - 1]
    assert written[0] == min(2, written[1])
    done = await roll_up_chunk(chunk, store, should_stop=After(5))
    assert len(done.outcomes) == len(SYMBOLS)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PageFiles]:
    """Two sessions in page files, and SQLite asks for a stop at each of its steps."""
    monkeypatch.setattr(page_compact, "_STEPS", 1)
    made = PageFiles(tmp_path)
    for day in DAYS[:2]:
        write_bars(made, MINUTES, full_day(SYMBOLS, day))
    yield made
    made.close()


def compact(files: PageFiles, should_stop: Callable[[], bool]) -> Compaction:
    return compact_shard(files, MINUTES, "2025-06", before=DAYS[1], should_stop=should_stop)


@pytest.mark.parametrize("questions", [0, 1, 50, 500, 1200])
def test_a_compaction_that_is_stopped_while_it_drops_has_dropped_nothing(files: PageFiles, questions: int) -> None:
    before = read_session(files, MINUTES, DAYS[0])
    with pytest.raises(Stopped):
        compact(files, After(questions))
    assert read_session(files, MINUTES, DAYS[0]).equals(before)
    assert verify(files).faults == ()
    assert compact(files, After(10**9)).dropped.bars == 40 * 327


def test_a_compaction_that_is_stopped_while_it_shrinks_counts_what_it_dropped(
    files: PageFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrinking: list[PageFile] = []
    shrink = page_compact._shrink

    def note(file: PageFile) -> None:
        shrinking.append(file)
        shrink(file)

    monkeypatch.setattr(page_compact, "_shrink", note)
    done = compact(files, lambda: bool(shrinking))
    assert done.dropped.bars == 40 * 327
    assert read_session(files, MINUTES, DAYS[0]).is_empty()
    assert read_session(files, MINUTES, DAYS[1]).height == 40 * 327
    assert verify(files).faults == ()
    # What it left is done by the next one.
    shrinking.clear()
    again = compact(files, lambda: False)
    assert (again.dropped.bars, again.bytes_after < again.bytes_before) == (0, True)


def test_a_stop_that_comes_after_a_compaction_is_nothing_to_the_next_write(files: PageFiles) -> None:
    stopped: list[bool] = []
    compact(files, lambda: bool(stopped))
    stopped.append(True)
    assert write_bars(files, MINUTES, full_day(SYMBOLS, DAYS[0])).written == 40 * 327


def test_an_earlier_stop_takes_effect_at_once(files: PageFiles) -> None:
    with pytest.raises(Stopped):
        compact_shard(files, BarSeries("synthetic", Interval.M1), "2025-06", before=None, should_stop=lambda: True)
