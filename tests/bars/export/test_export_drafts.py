"""What a killed export leaves is removed by the next one, and what a living one is writing is left alone."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from kaboom.bars.export.files import export_files
from kaboom.bars.export.formats import Format
from kaboom.bars.export.plan import Selection, plan_file, plan_folder
from kaboom.bars.memory import MemoryBarStore
from kaboom.drivers.drafts import Draft, sweep_drafts
from kaboom.market.bar import BarSeries
from tests.fixtures.bars.stored_bars import MINUTES, full_day

pytestmark = pytest.mark.anyio
DAYS = (date(2025, 10, 30), date(2025, 10, 31))
ALL = Selection(MINUTES, date(2025, 1, 1), date(2025, 12, 31))
ROOT = Path(__file__).resolve().parents[3]


class SlowStore(MemoryBarStore):
    """Says when the second session is asked for, and gives it once it may."""

    def __init__(self, reached: Callable[[], None]) -> None:
        super().__init__()
        self.reached, self.may_go_on = reached, asyncio.Event()

    async def read_session(self, series: BarSeries, session: date) -> pl.DataFrame:
        """Wait in front of the second session."""
        if session == DAYS[1]:
            self.reached()
            await self.may_go_on.wait()
        return await super().read_session(series, session)


async def fill(store: MemoryBarStore) -> None:
    for day in DAYS:
        await store.write(MINUTES, full_day(["7203"], day))


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def kill_an_export(folder: Path) -> None:
    """Kill a process in the middle of an export to `folder/bars.parquet`."""
    with subprocess.Popen(
        [sys.executable, __file__, str(folder)], stdout=subprocess.PIPE, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"in the middle\n"
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


async def export_one(folder: Path, name: str = "bars.parquet") -> Path:
    store = MemoryBarStore()
    await fill(store)
    (written,) = await export_files(store, await plan_file(store, ALL, folder / name))
    return written.path


@pytest.mark.parametrize("name", ["bars.parquet", "others.csv"])
async def test_the_next_export_removes_what_a_killed_one_left(tmp_path: Path, name: str) -> None:
    await asyncio.to_thread(kill_an_export, tmp_path)
    assert len(hidden(tmp_path)) == 1
    path = await export_one(tmp_path, name)
    assert [found.name for found in tmp_path.iterdir()] == [path.name]  # noqa: ASYNC240  one small file


async def test_the_next_mirror_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    folder = tmp_path / "synthetic" / "1m"
    folder.mkdir(parents=True)
    await asyncio.to_thread(kill_an_export, folder)
    assert len(hidden(folder)) == 1
    store = MemoryBarStore()
    await fill(store)
    await export_files(store, await plan_folder(store, ALL, tmp_path, Format.PARQUET))
    assert [found.name for found in folder.iterdir()] == ["2025-10.parquet"]


async def test_two_exports_at_once_leave_each_other_alone(tmp_path: Path) -> None:
    reached = asyncio.Event()
    slow = SlowStore(reached.set)
    await fill(slow)
    path = tmp_path / "bars.parquet"
    first = asyncio.create_task(export_files(slow, await plan_file(slow, ALL, path)))
    await reached.wait()
    assert len(hidden(tmp_path)) == 1
    assert await export_one(tmp_path) == path
    assert len(hidden(tmp_path)) == 1
    path.unlink()
    slow.may_go_on.set()
    await first
    assert pl.read_parquet(path).height == 2 * 327
    assert hidden(tmp_path) == []


async def test_another_process_leaves_a_living_export_alone(tmp_path: Path) -> None:
    draft = Draft.open(tmp_path / "bars.parquet")
    sweep = "import sys, pathlib, kaboom.drivers.drafts as d; print(d.sweep_drafts(pathlib.Path(sys.argv[1])))"
    argv = [sys.executable, "-c", sweep, str(tmp_path)]
    output = await asyncio.to_thread(subprocess.check_output, argv, cwd=ROOT)
    assert (output, draft.folder.exists()) == (b"0\n", True)
    draft.close()
    assert not draft.folder.exists()


async def test_a_failed_cleanup_of_a_draft_hides_no_error(tmp_path: Path) -> None:
    draft = Draft.open(tmp_path / "bars.parquet")
    # As hopeless as a folder in which a thread still makes files.
    draft.folder.rmdir()
    draft.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(draft._handle)


async def test_on_a_mounted_bucket_nobody_removes_a_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of another machine may be writing it, and its lock is not seen."""
    (left := tmp_path / f".a.{'0' * 32}").mkdir()
    monkeypatch.setattr("kaboom.drivers.drafts.is_in_user_space", lambda _: True)
    assert sweep_drafts(tmp_path) == 0
    assert left.exists()
    monkeypatch.undo()
    assert sweep_drafts(tmp_path) == 1


async def test_only_what_looks_like_a_draft_is_removed(tmp_path: Path) -> None:
    digits = "0" * 32
    ours, with_a_stranger, named_otherwise = (tmp_path / name for name in (f".a.{digits}", f".b.{digits}", ".cache"))
    for folder in (ours, with_a_stranger, named_otherwise):
        folder.mkdir()
    (ours / "000000").touch()
    (with_a_stranger / "letters.txt").touch()
    (tmp_path / f".link.{digits}").symlink_to(named_otherwise)
    assert sweep_drafts(tmp_path) == 1
    assert sorted(hidden(tmp_path)) == [f".b.{digits}", ".cache", f".link.{digits}"]
    assert sweep_drafts(tmp_path / "nowhere") == 0


async def _export_slowly(folder: Path) -> None:
    store = SlowStore(lambda: print("in the middle", flush=True))  # noqa: T201  the test waits for it
    await fill(store)
    await export_files(store, await plan_file(store, ALL, folder / "bars.parquet"))


if __name__ == "__main__":
    asyncio.run(_export_slowly(Path(sys.argv[1])))
