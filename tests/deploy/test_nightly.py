"""The script that makes a backup each night: whole or absent, once a day, and not for ever."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.fixtures.repo.repository import ROOT

#: Ends the script where it would wait for the next night, and tells for how long.
_SLEEP = '#!/bin/sh\necho "sleeps $1"\nexit 9\n'
_BACKUP = '#!/bin/sh\nmkdir "$1" && echo whole > "$1/file" && exit "${FAILS:-0}"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "made").mkdir()
    for name, text in (("sleep", _SLEEP), ("back-up", _BACKUP)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def run(folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    argv = ["sh", str(ROOT / "infra/compose/nightly.sh"), "3", "bars", "back-up"]
    environment = {"PATH": path, "BACKUPS": str(folder / "made"), "COPIES": str(folder / "made")} | env
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=30, check=False)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "made").iterdir())


def test_a_backup_is_made_at_once_and_then_waits_for_the_hour(folder: Path) -> None:
    done = run(folder)
    assert done.returncode == 9, done.stderr
    (name,) = names(folder)
    assert (folder / "made" / name / "file").read_text() == "whole\n"
    assert (folder / "made" / name).stat().st_mode & 0o077 == 0
    assert 0 < int(done.stdout.rsplit("sleeps ")[1]) <= 86_400


def test_a_backup_is_made_once_a_day(folder: Path) -> None:
    run(folder)
    assert run(folder, FAILS="1").returncode == 9


def test_a_backup_that_fails_has_no_name_and_is_tried_again(folder: Path) -> None:
    assert run(folder, FAILS="3").returncode == 3
    (name,) = names(folder)
    assert name.endswith(".part")
    assert run(folder).returncode == 9
    assert names(folder) == [name.removesuffix(".part")]


def test_the_newest_fourteen_are_kept_and_others_files_too(folder: Path) -> None:
    for day in range(10, 30):
        (folder / f"made/bars-2025-01-{day}").mkdir()
    (folder / "made/ledger-2025-01-10").touch()
    run(folder)
    kept = names(folder)
    assert len([name for name in kept if name.startswith("bars-")]) == 14
    assert "bars-2025-01-16" not in kept
    assert {"bars-2025-01-17", "ledger-2025-01-10"} <= set(kept)


def test_a_backup_is_copied_to_a_second_place(folder: Path) -> None:
    (folder / "copies").mkdir()
    for day in range(10, 30):
        (folder / f"copies/bars-2025-01-{day}").mkdir()
    assert run(folder, COPIES=str(folder / "copies")).returncode == 9
    (name,) = names(folder)
    assert (folder / "copies" / name / "file").read_text() == "whole\n"
    assert len(list((folder / "copies").iterdir())) == 14


def test_a_copy_that_fails_is_made_at_the_next_start_from_the_same_backup(folder: Path) -> None:
    copies = folder / "copies"
    copies.touch()
    assert run(folder, COPIES=str(copies)).returncode not in {0, 9}
    (name,) = names(folder)
    copies.unlink()
    copies.mkdir()
    (copies / f"{name}.part").mkdir()
    assert run(folder, COPIES=str(copies), FAILS="1").returncode == 9
    assert [path.name for path in copies.iterdir()] == [name]
    assert (copies / name / "file").read_text() == "whole\n"
