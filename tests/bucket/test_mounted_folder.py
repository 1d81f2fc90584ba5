"""Two machines on one mounted folder: rclone's file system of objects, in the place of the bucket's on Cloud Run.

Like that one it has no hard links, keeps what it knows of a file for a while, and has no locks between machines.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from kaboom.bars.export.files import export_files
from kaboom.bars.export.plan import Selection, plan_file
from kaboom.bars.memory import MemoryBarStore
from kaboom.drivers.disk import is_in_user_space
from kaboom.drivers.drafts import Draft, sweep_drafts
from kaboom.market.listing import Listing, Market
from kaboom.market.lists.snapshot import Snapshot, load_snapshots, save_snapshot
from tests.fixtures.bars.stored_bars import MINUTES, full_day

DAY = date(2025, 10, 31)
#: A worker that InfluxDB refused lines of.
REFUSE = """
from kaboom.bars.influx.line_writer import RefusedLines
from kaboom.domain_settings import BatchSettings
file = RefusedLines(BatchSettings().refused_lines_path)
print(sum(file.keep("hot", [(f"m f={n} {n}", "too old")]) for n in range(20)))
"""


@contextmanager
def mounted(objects: Path, folder: Path) -> Iterator[Path]:
    """Mount a folder of objects, as another machine."""
    folder.mkdir()
    options = ["--vfs-cache-mode=writes", "--vfs-write-back=1s", "--dir-cache-time=1s", f"--cache-dir={folder}.cache"]
    argv = ["rclone", "mount", f":local:{objects}", str(folder), *options]
    with subprocess.Popen(
        argv, stderr=subprocess.PIPE, text=True, env=os.environ | {"HOME": str(folder.parent)}
    ) as run:
        try:
            until(lambda: os.path.ismount(folder) or run.poll() is not None)
            if run.poll() is not None:
                pytest.skip(f"this machine mounts nothing: {run.stderr.read().strip()[-200:] if run.stderr else ''}")
            yield folder
        finally:
            run.terminate()
            with suppress(subprocess.TimeoutExpired):
                run.wait(10)
            run.kill()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Two mounts of one folder."""
    (objects := tmp_path / "objects").mkdir()
    with ExitStack() as stack:
        one, two = (stack.enter_context(mounted(objects, tmp_path / name)) for name in ("one", "two"))
        yield one, two


def until(is_so: Callable[[], object], seconds: float = 20) -> None:
    """Wait until something is so, which another machine sees later."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def toyota(name: str) -> Snapshot:
    """Return a list of one symbol."""
    return Snapshot(DAY, "test", (Listing("7203", name, Market.TSE_PRIME, "輸送用機器", "TOPIX Core30"),))


def names_in(folder: Path, known_at: datetime | None = None) -> list[str]:
    """Return the symbol's name by each list in a folder."""
    found = load_snapshots(folder, known_at=known_at)
    return [snapshot.listings[0].name for snapshot in found if snapshot.source == "test"]


def test_it_is_as_poor_as_a_bucket(machines: tuple[Path, Path]) -> None:
    one, _ = machines
    assert is_in_user_space(one / "symbols")
    (one / "a").touch()
    with pytest.raises(OSError, match="Input/output error"):
        (one / "b").hardlink_to(one / "a")


def test_a_replaced_symbol_list_is_seen_and_its_past_kept(machines: tuple[Path, Path]) -> None:
    one, two = (machine / "symbols" for machine in machines)
    save_snapshot(toyota("トヨタ"), one)
    between = datetime.now(UTC)
    save_snapshot(toyota("トヨタ自動車"), one)
    until(lambda: names_in(two) == ["トヨタ自動車"])
    assert names_in(two, known_at=between)[:1] == ["トヨタ"]


def test_refused_lines_of_two_machines_are_all_kept(machines: tuple[Path, Path]) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", REFUSE], env={"KABOOM_DATA_DIR": str(machine)}, stdout=subprocess.PIPE, text=True
        )
        for machine in machines
    ]
    assert [worker.communicate(timeout=60)[0] for worker in workers] == ["20\n", "20\n"]
    for machine in machines:
        until(partial(_keeps, machine / "influxdb-refused", 40))


def _keeps(folder: Path, lines: int) -> bool:
    """Tell whether the files of two workers hold so many lines."""
    files = list(folder.iterdir())
    return len(files) == 2 and sum(len(file.read_bytes().splitlines()) for file in files) == lines


def test_an_export_of_one_machine_is_read_by_the_other(machines: tuple[Path, Path]) -> None:
    one, two = machines
    asyncio.run(_export(one / "mirror/bars.parquet"))
    until((two / "mirror/bars.parquet").exists)
    assert pl.read_parquet(two / "mirror/bars.parquet").height == 327
    assert [path.name for path in (two / "mirror").iterdir()] == ["bars.parquet"]


async def _export(path: Path) -> None:
    store = MemoryBarStore()
    await store.write(MINUTES, full_day(["7203"], DAY))
    await export_files(store, await plan_file(store, Selection(MINUTES, DAY, DAY), path))


def test_an_unfinished_file_of_another_machine_stays(
    machines: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = machines
    draft = Draft.open(one / "bars.parquet")
    until((two / draft.folder.name).exists)
    assert sweep_drafts(two) == 0
    # The lock alone does not keep it.
    monkeypatch.setattr("kaboom.drivers.drafts.is_in_user_space", lambda _: False)
    assert sweep_drafts(one) == 0
    assert sweep_drafts(two) == 1
    draft.close()
