"""The age of backups, by the names that `infra/compose/nightly.sh` gives them."""

import os
import time
from pathlib import Path

from kaboom.telemetry.backups import read_backups


def make(folder: Path, name: str, hours: float) -> None:
    (folder / name).write_text("")
    made_at = time.time() - hours * 3600
    os.utime(folder / name, (made_at, made_at))


def ages(folder: Path) -> dict[str, float]:
    return {reading.labels[0]: round(reading.value / 3600, 1) for reading in read_backups(folder)}


def test_the_newest_of_each_kind_counts(tmp_path: Path) -> None:
    make(tmp_path, "ledger-2025-11-03", 60)
    make(tmp_path, "ledger-2025-11-05", 12)
    make(tmp_path, "ledger-2025-11-04", 36)
    make(tmp_path, "files-2025-11-01", 100)
    assert ages(tmp_path) == {"ledger": 12.0, "files": 100.0}


def test_unfinished_backups_and_other_files_do_not_count(tmp_path: Path) -> None:
    make(tmp_path, "ledger-2025-11-04", 30)
    make(tmp_path, "ledger-2025-11-05.part", 1)
    make(tmp_path, "notes.txt", 1)
    assert ages(tmp_path) == {"ledger": 30.0}


def test_a_folder_without_backups_is_as_old_as_1970(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "gone"):
        (reading,) = read_backups(folder)
        assert reading.labels == ("none",)
        assert reading.value > 50 * 365 * 86400
