"""`kaboom backup` and `kaboom restore` of bars: whole or refused, with the reason."""

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest

from kaboom.bars.pages.store import PageBarStore
from kaboom.cli.backup.manifest import LEDGER, NAME, Manifest, draft_of, hash_file, read_manifest, started_postgres
from kaboom.cli.stack.migrate import BASELINE, migrate
from kaboom.drivers.postgres.dump import dump_database
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, at, bar, frame, full_day, refused
from tests.fixtures.cli import Done, Kaboom
from tests.fixtures.servers.stacks import KABOOM, clean_environment, until

DAYS = (date(2025, 10, 31), date(2025, 11, 4))
SYMBOLS = [str(n) for n in range(1300, 1340)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder that holds bars and a refused row."""

    async def write() -> None:
        store = PageBarStore(tmp_path / "data/bars")
        for day in DAYS:
            await store.write(MINUTES, full_day(SYMBOLS, day))
        await store.write(DAILY, frame(bar("7203", at(DAYS[0]))))
        await store.quarantine(MINUTES, refused(("7203", None, 1.0, 1.0, 1.0, 1.0, 1.0, "no_time")))
        await store.close()

    asyncio.run(write())
    return tmp_path / "data"


@pytest.fixture
def made(data: Path, kaboom: Kaboom, tmp_path: Path) -> Path:
    """A backup of it."""
    done = kaboom("backup", str(tmp_path / "made"), "--data-dir", str(data))
    assert done.code == 0, done.err
    return tmp_path / "made"


def content_of(root: Path) -> dict[str, Any]:
    """Return all that a bar store holds."""

    async def read() -> dict[str, Any]:
        store = PageBarStore(root)
        try:
            assert (await store.verify()).faults == ()
            series = await store.list_series()
            bars = {str(s): [(await store.read_session(s, day)).rows() for day in DAYS] for s in series}
            return bars | {f"refused {s}": (await store.read_quarantine(s)).rows() for s in series}
        finally:
            await store.close()

    return asyncio.run(read())


def test_imported_symbol_lists_come_back(data: Path, kaboom: Kaboom, tmp_path: Path) -> None:
    (data / "symbols").mkdir()
    (data / "symbols/listings_2026-01-05.csv").write_text("code,name\n7203,トヨタ自動車\n")
    assert kaboom("backup", str(tmp_path / "made"), "--data-dir", str(data)).code == 0
    assert kaboom("restore", str(tmp_path / "made"), "--data-dir", str(tmp_path / "new")).code == 0
    name = "symbols/listings_2026-01-05.csv"
    assert (tmp_path / "new" / name).read_bytes() == (data / name).read_bytes()


def test_a_restored_folder_holds_the_same_bars(made: Path, data: Path, kaboom: Kaboom, tmp_path: Path) -> None:
    done = kaboom("restore", str(made), "--data-dir", str(tmp_path / "new"), "--json")
    assert done.code == 0, done.err
    assert content_of(tmp_path / "new/bars") == content_of(data / "bars")
    told: Any = done.json
    assert told["bars"] == read_manifest(made).bars == 2 * len(SYMBOLS) * 327 + 1


def test_both_commands_report_missing_parts_of_a_backup(made: Path, kaboom: Kaboom, tmp_path: Path) -> None:
    lacks = read_manifest(made).lacks
    assert [sentence.partition(":")[0] for sentence in lacks] == ["not in this backup", "not in any backup"]
    done = kaboom("restore", str(made), "--data-dir", str(tmp_path / "new"))
    assert all(sentence in done.err for sentence in lacks)


def test_bars_in_influxdb_are_said_to_be_missing(
    data: Path, kaboom: Kaboom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFLUXDB_HOST", "http://127.0.0.1:1")
    done = kaboom("backup", str(tmp_path / "made"), "--data-dir", str(data))
    assert done.code == 0
    assert "not in this backup: the bars and corporate actions. They are in InfluxDB" in done.err
    # Pages from before are copied, though no store reads them now.
    assert content_of(tmp_path / "made/bars") == content_of(data / "bars")


def test_an_empty_folder_is_backed_up_with_bars_in_influxdb(
    kaboom: Kaboom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    arguments = ("backup", str(tmp_path / "made"), "--data-dir", str(tmp_path / "data"))
    assert kaboom(*arguments).code == 4
    monkeypatch.setenv("INFLUXDB_HOST", "http://127.0.0.1:1")
    assert kaboom(*arguments).code == 0


def test_a_backup_is_for_its_owner_and_holds_no_secret(
    data: Path, kaboom: Kaboom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JQUANTS_API_KEY", "a-key-that-must-not-be-copied")
    (data / "ingest-token").write_text("a-token-that-must-not-be-copied\n")
    assert kaboom("backup", str(tmp_path / "made"), "--data-dir", str(data)).code == 0
    files = [path for path in (tmp_path / "made").rglob("*") if path.is_file()]
    assert [p for p in files if b"must-not-be-copied" in p.read_bytes()] == []
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o700
    assert orjson.loads((tmp_path / "made/settings.json").read_bytes())["JQUANTS_API_KEY"] == "***"


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_folder_that_is_not_empty_is_refused(made: Path, data: Path, kaboom: Kaboom, command: str) -> None:
    before = sorted(data.rglob("*"))
    arguments = (str(data), "--data-dir", str(data)) if command == "backup" else (str(made), "--data-dir", str(data))
    done = kaboom(command, *arguments)
    assert done.code == 5
    assert f"{data} is there and not empty" in done.err
    assert set(data.rglob("*")) - {*before} <= {data / "lock"}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def link(path: Path) -> None:
    path.rename(path.parents[4] / "elsewhere")
    path.symlink_to(path.parents[4] / "elsewhere")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (flip, "does not match its checksum"),
        (cut, "does not match its checksum"),
        (Path.unlink, "is missing"),
        (link, "is not a file of the backup"),
        (lambda path: path.with_name("more.sqlite").touch(), "more.sqlite is not in the manifest"),
        (lambda path: flip(path.parents[3] / NAME), "manifest.json"),
        (lambda path: (path.parents[3] / NAME).write_bytes(b"{}"), "manifest.json cannot be read"),
    ],
)
def test_a_damaged_backup_is_refused_before_anything_is_written(
    made: Path, kaboom: Kaboom, tmp_path: Path, damage: Callable[[Path], object], reason: str
) -> None:
    damage(made / "bars/synthetic/1m/2025-10.sqlite")
    done = kaboom("restore", str(made), "--data-dir", str(tmp_path / "new"))
    assert done.code == 1
    assert "the backup is damaged: " in done.err
    assert reason in done.err
    assert not (tmp_path / "new").exists()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that `nobody` may enter, as whom PostgreSQL runs if root runs the tests."""
    with tempfile.TemporaryDirectory(prefix="kaboom-restore-", dir="/tmp") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def test_a_ledger_that_lacks_a_row_is_not_restored(made: Path, kaboom: Kaboom, open_folder: Path) -> None:
    (open_folder / "source").mkdir(mode=0o711)
    with started_postgres(open_folder / "source", open_folder / "postgres.log") as url:
        migrate(url)
        facts = dump_database(url, made / LEDGER)
    bars = read_manifest(made)
    dump = {LEDGER: ((made / LEDGER).stat().st_size, hash_file(made / LEDGER))}
    whole = replace(bars, revision=facts.revision, rows=facts.rows, files=bars.files | dump)
    replace(whole, rows=facts.rows | {"jobs": facts.rows["jobs"] + 1}).write(made)

    done = kaboom("restore", str(made), "--data-dir", str(open_folder / "new"))
    assert (done.code, "rows after the restore, expected" in done.err) == (1, True), done.err
    assert not (open_folder / "new").exists()

    whole.write(made)
    done = kaboom("restore", str(made), "--data-dir", str(open_folder / "new"))
    assert done.code == 0, done.err


@pytest.mark.parametrize("change", [{"format": 99}, {"page_format": 99}, {"kaboom": "99.0.0"}, {"revision": "9999"}])
def test_a_backup_of_a_newer_kaboom_is_refused(
    made: Path, kaboom: Kaboom, tmp_path: Path, change: dict[str, Any]
) -> None:
    manifest: Manifest = replace(read_manifest(made), **change)
    manifest.write(made)
    done = kaboom("restore", str(made), "--data-dir", str(tmp_path / "new"))
    assert done.code == 5
    assert "newer" in done.err
    assert not (tmp_path / "new").exists()


def test_a_backup_of_an_older_schema_names_what_restores_it(made: Path, kaboom: Kaboom, tmp_path: Path) -> None:
    replace(read_manifest(made), revision="0020").write(made)
    done = kaboom("restore", str(made), "--data-dir", str(tmp_path / "new"))
    assert done.code == 5
    assert "at revision 0020, older than 0021" in " ".join(done.err.split())
    assert "git checkout 78e52e73 && make setup` and then `kaboom restore" in " ".join(done.err.split())
    assert not (tmp_path / "new").exists()


def test_a_folder_without_a_manifest_is_no_backup(kaboom: Kaboom, tmp_path: Path) -> None:
    done = kaboom("restore", str(tmp_path), "--data-dir", str(tmp_path / "new"))
    assert (done.code, "is not a complete backup" in done.err) == (4, True)


def test_no_data_folder_is_no_backup(kaboom: Kaboom, tmp_path: Path) -> None:
    done = kaboom("backup", str(tmp_path / "made"), "--data-dir", str(tmp_path / "nowhere"))
    assert (done.code, "there is no data folder" in done.err) == (4, True)
    assert not (tmp_path / "nowhere").exists()


def test_a_killed_backup_leaves_nothing_that_looks_whole(data: Path, kaboom: Kaboom, tmp_path: Path) -> None:
    env = clean_environment(KABOOM_DATA_DIR=str(data))
    # Held in the middle: a file that is locked cannot be copied.
    with closing(sqlite3.connect(data / "bars/synthetic/1m/2025-11.sqlite")) as held:
        held.execute("PRAGMA locking_mode = EXCLUSIVE")
        held.execute("BEGIN EXCLUSIVE")
        process = subprocess.Popen((*KABOOM, "backup", str(tmp_path / "made")), env=env, cwd=tmp_path)
        try:
            until(lambda: list(tmp_path.glob(".made.*.draft/bars/synthetic/1m/*")), bool, within_s=60)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert not (tmp_path / "made").exists()
    (draft,) = tmp_path.glob(".made.*.draft")
    refusal = kaboom("restore", str(draft), "--data-dir", str(tmp_path / "new"))
    assert "is not a complete backup" in refusal.err
    done = kaboom("backup", str(tmp_path / "made"), "--data-dir", str(data))
    assert done.code == 0, done.err
    assert list(tmp_path.glob(".made.*.draft")) == []


def test_a_draft_at_work_is_left_alone(tmp_path: Path) -> None:
    with draft_of(tmp_path / "made") as first:
        with suppress(KeyError), draft_of(tmp_path / "made") as second:
            assert first.exists()
            raise KeyError
        assert first.exists()
        assert not second.exists()
    assert (tmp_path / "made").is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_reported_and_leaves_no_files(made: Path, data: Path, kaboom: Kaboom, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=True)
    try:
        results: list[Done] = [
            kaboom("backup", str(disk / "made"), "--data-dir", str(data)),
            kaboom("restore", str(made), "--data-dir", str(disk / "new")),
        ]
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert [done.code for done in results] == [7, 7]
    assert "bytes free" in results[0].err
    assert "full" in results[1].err or "No space left" in results[1].err


def test_an_empty_folder_may_take_a_backup_and_a_file_may_not(data: Path, kaboom: Kaboom, tmp_path: Path) -> None:
    for name in ("made", "new"):
        (tmp_path / name).mkdir()
    assert kaboom("backup", str(tmp_path / "made"), "--data-dir", str(data)).code == 0
    assert kaboom("restore", str(tmp_path / "made"), "--data-dir", str(tmp_path / "new")).code == 0
    (tmp_path / "file").touch()
    done = kaboom("backup", str(tmp_path / "file"), "--data-dir", str(data))
    assert (done.code, "is there and not empty" in done.err) == (5, True)
    assert (tmp_path / "file").read_bytes() == b""


def test_a_ledger_is_not_restored_where_another_would_be_used(
    made: Path, kaboom: Kaboom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/kaboom")
    # One of bars alone has nothing that would go to waste.
    assert kaboom("restore", str(made), "--data-dir", str(tmp_path / "bars")).code == 0
    replace(read_manifest(made), revision=BASELINE).write(made)
    done = kaboom("restore", str(made), "--data-dir", str(tmp_path / "new"))
    assert (done.code, "DATABASE_URL is set" in done.err) == (5, True)
    assert str(made / LEDGER) in "".join(done.err.split("\n"))
    assert not (tmp_path / "new").exists()


def test_a_backup_and_a_restore_tell_their_numbers(data: Path, kaboom: Kaboom, tmp_path: Path) -> None:
    done = kaboom("backup", str(tmp_path / "made"), "--data-dir", str(data))
    manifest = read_manifest(tmp_path / "made")
    size = sum(path.stat().st_size for path in (tmp_path / "made").rglob("*") if path.is_file() and path.name != NAME)
    files = len([path for path in (tmp_path / "made").rglob("*") if path.is_file()]) - 1
    counted = f"0 jobs, {2 * len(SYMBOLS) * 327 + 1:,} bars, {files:,} files, {size:,} bytes"
    assert f"backup made in {tmp_path / 'made'}: {counted}" in " ".join(done.err.split())
    assert (len(manifest.files), manifest.bytes, done.out) == (files, size, "")
    done = kaboom("restore", str(tmp_path / "made"), "--data-dir", str(tmp_path / "new"))
    told = " ".join(done.err.split())
    assert f"restored to {tmp_path / 'new'}: 0 jobs, {2 * len(SYMBOLS) * 327 + 1:,} bars as of" in told
    assert f"checked {files} of {files} files" in told
