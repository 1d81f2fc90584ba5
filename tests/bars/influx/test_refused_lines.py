"""Refused lines are kept for their reader alone, up to a size, and never cost a write."""

import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import orjson

from kaboom.bars.influx.line_writer import RefusedLines

NOW = datetime(2026, 11, 25, 6, 30, tzinfo=UTC)


def kept(file: RefusedLines) -> list[dict[str, str]]:
    return [orjson.loads(line) for line in file.path.read_bytes().splitlines()]


def test_they_are_kept_one_a_line_and_for_the_owner_alone(tmp_path: Path) -> None:
    file = RefusedLines(tmp_path / "deep" / "refused.jsonl", clock=lambda: NOW)
    assert file.keep("hot", [('m,a="\n" f=1 1', "too old"), ("m f=2 2", "too young")]) == 2
    assert file.keep("day", [("m f=3 3", "no reason")]) == 1
    assert kept(file)[0] == {
        "at": "2026-11-25T06:30:00+00:00",
        "bucket": "hot",
        "reason": "too old",
        "line": 'm,a="\n" f=1 1',
    }
    assert [entry["bucket"] for entry in kept(file)] == ["hot", "hot", "day"]
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_beyond_the_size_none_is_kept_and_it_is_reported(tmp_path: Path) -> None:
    file = RefusedLines(tmp_path / "refused.jsonl", most_bytes=150)
    assert [file.keep("hot", [("m f=1 1", "too old")]) for _ in range(3)] == [1, 0, 0]
    assert len(kept(file)) == 1


def test_no_row_is_kept_in_an_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert RefusedLines(tmp_path / "file" / "refused.jsonl").keep("hot", [("m f=1 1", "too old")]) == 0


def test_two_workers_on_one_data_folder_keep_theirs_apart(tmp_path: Path) -> None:
    """A mounted bucket keeps what the last of them wrote to a file."""
    ask = "from kaboom.domain_settings import BatchSettings; print(BatchSettings().refused_lines_path)"
    env = {"KABOOM_DATA_DIR": str(tmp_path)}
    said = [
        subprocess.run([sys.executable, "-c", ask], env=env, check=True, capture_output=True, text=True).stdout
        for _ in range(2)
    ]
    assert len(set(said)) == 2
    assert {Path(path).parent for path in said} == {tmp_path / "influxdb-refused"}
