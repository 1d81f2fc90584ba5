"""What is acknowledged has been waited for: each commit of SQLite, each new file and each new name in a folder."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from kaboom.bars.actions.sqlite import SqliteActionStore
from kaboom.bars.actions.store import Origin, build_notes
from kaboom.bars.export.files import export_files
from kaboom.bars.export.plan import Selection, plan_file
from kaboom.bars.folder import catalogue
from kaboom.bars.memory import MemoryBarStore
from kaboom.bars.pages.compact import compact_shard
from kaboom.bars.pages.files import PageFiles
from kaboom.bars.pages.quarantine import write_quarantine
from kaboom.bars.pages.store import save_fetch_log
from kaboom.bars.pages.write import write_bars
from kaboom.bars.store import FETCH_LOG_SCHEMA
from kaboom.drivers.disk import make_folders, sync
from kaboom.indicators.plan import IndicatorChunk
from kaboom.indicators.run import IndicatorTools, run_indicator_chunk
from kaboom.indicators.table import parse_indicators
from kaboom.market.action import ActionState, CorporateAction
from kaboom.market.interval import Interval
from tests.fixtures.bars.disk_spy import FULL, NORMAL, spy_on_commits, spy_on_syncs
from tests.fixtures.bars.stored_bars import JUNE_2, MINUTES, at, bar, frame, full_day, refused

BARS = full_day(["7203"], JUNE_2)
ASKED = pl.DataFrame([("7203", JUNE_2, 327, datetime(2025, 6, 3, tzinfo=UTC))], schema=FETCH_LOG_SCHEMA, orient="row")
SPLIT = build_notes(
    [CorporateAction("7203", JUNE_2, 0.5)],
    Origin.PROVIDER,
    ActionState.REPORTED,
    noted_at=datetime(2025, 6, 3, tzinfo=UTC),
)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[PageFiles]:
    made = PageFiles(tmp_path / "bars")
    yield made
    made.close()


def test_bars_are_committed_with_the_disk_waited_for_and_notes_alone_are_not(
    files: PageFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels = spy_on_commits(monkeypatch)
    write_bars(files, MINUTES, BARS)
    assert levels == [FULL, FULL], "the making of the file, and its first bars"
    levels.clear()
    save_fetch_log(files, MINUTES, ASKED)
    write_bars(files, MINUTES, frame(bar("7203", at(JUNE_2), 9.0)))
    write_quarantine(files, MINUTES, refused(("7203", at(JUNE_2), 1.0, 1.0, 1.0, 1.0, 1.0, "volume")))
    compact_shard(files, MINUTES, "2025-06", before=date(2025, 7, 1))
    assert levels == [NORMAL, FULL, FULL, FULL]


def test_actions_are_committed_with_the_disk_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    levels, store = spy_on_commits(monkeypatch), SqliteActionStore(tmp_path)
    asyncio.run(store.save("synthetic", SPLIT))
    assert levels == [FULL]


def test_a_new_page_file_and_each_new_folder_are_waited_for(files: PageFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = files.path(MINUTES, "2025-06").parent
    synced = spy_on_syncs(monkeypatch, folder)
    write_bars(files, MINUTES, BARS)
    draft = synced.paths[4]
    assert synced.paths == [folder.parent, files.root, files.root.parent, folder, draft, files.root]
    assert draft.name.startswith(f".{catalogue.NAME}."), "the list of files is whole before it takes its name"
    assert synced.calls[3] == (folder, frozenset({"2025-06.sqlite"})), "its name was not there yet"
    synced.calls.clear()
    write_bars(files, MINUTES, full_day(["7203"], date(2025, 7, 1)))
    assert synced.paths == [folder, files.root / catalogue.NAME]
    assert "2025-07.sqlite" in synced.calls[0][1]


def test_the_folders_of_actions_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = spy_on_syncs(monkeypatch, tmp_path)
    asyncio.run(SqliteActionStore(tmp_path / "bars").save("synthetic", SPLIT))
    listed = {path for path in synced.paths if path.name.startswith(f".{catalogue.NAME}.")}
    assert len(listed) == 1
    assert set(synced.paths) - listed == {tmp_path, tmp_path / "bars"}


@pytest.mark.parametrize("suffix", ["parquet", "csv", "arrow"])
def test_an_export_is_synced_before_and_after_its_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    folder = tmp_path / "new" / "deep"
    synced = spy_on_syncs(monkeypatch, folder)

    async def export() -> None:
        store = MemoryBarStore()
        await store.write(MINUTES, BARS)
        await export_files(store, await plan_file(store, Selection(MINUTES, JUNE_2, JUNE_2), folder / f"a.{suffix}"))

    asyncio.run(export())
    assert set(synced.paths[:2]) == {folder.parent, tmp_path}
    assert synced.when(lambda path: path.name == "whole") == [frozenset()]
    assert synced.when(lambda path: path == folder) == [frozenset({f"a.{suffix}"})]


def test_an_indicator_file_is_synced_before_and_after_its_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "new"
    synced = spy_on_syncs(monkeypatch, folder)

    async def compute() -> None:
        store = MemoryBarStore()
        await store.write(MINUTES, BARS)
        tools = IndicatorTools(store, None, parse_indicators(["sma:5"], Interval.M1), folder)
        await run_indicator_chunk(IndicatorChunk(MINUTES, ("7203",), JUNE_2, JUNE_2), tools)

    asyncio.run(compute())
    assert synced.paths[0] == tmp_path
    assert synced.when(lambda path: path.name == "whole") == [frozenset()]
    assert synced.when(lambda path: path == folder) == [frozenset({"7203.parquet"})]


def test_folders_that_are_there_are_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = spy_on_syncs(monkeypatch, tmp_path)
    make_folders(tmp_path)
    assert synced.paths == []
    sync(tmp_path)
    assert synced.paths == [tmp_path]
