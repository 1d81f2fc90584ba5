"""Times of the history of a file: no change is dated before it happened."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kaboom.bars.folder.moments import check_begin, from_us, last_change_us, to_us
from kaboom.errors import InvalidRequest

AT = datetime(2025, 11, 4, 9, 0, 0, 123_456, tzinfo=UTC)


def touch(path: Path, at: datetime, content: bytes = b"x") -> Path:
    """Write a file whose time is that of the kernel, rounded down to its last tick."""
    path.write_bytes(content)
    os.utime(path, ns=(to_us(at) * 1000, to_us(at) * 1000))
    return path


def test_microseconds_are_exact() -> None:
    assert to_us(AT) % 1_000_000 == 123_456
    assert from_us(to_us(AT)) == AT
    assert to_us(datetime(1970, 1, 1, tzinfo=UTC)) == 0


def test_a_file_had_its_content_a_tick_after_its_time(tmp_path: Path) -> None:
    path = touch(tmp_path / "2025-11.sqlite", AT)
    assert from_us(last_change_us(path)) == AT + timedelta(seconds=1)


def test_a_log_that_holds_writes_counts_and_an_empty_one_does_not(tmp_path: Path) -> None:
    path, log = touch(tmp_path / "a.sqlite", AT), tmp_path / "a.sqlite-wal"
    touch(log, AT + timedelta(hours=1), b"")
    assert from_us(last_change_us(path)) == AT + timedelta(seconds=1)
    touch(log, AT + timedelta(hours=1))
    assert from_us(last_change_us(path)) == AT + timedelta(hours=1, seconds=1)
    touch(log, AT - timedelta(hours=1))
    assert from_us(last_change_us(path)) == AT + timedelta(seconds=1)


def test_a_history_reaches_back_to_its_first_moment_and_no_further() -> None:
    path, begins = Path("/data/synthetic/1m/2025-11.sqlite"), to_us(AT)
    check_begin(path, begins, begins)
    with pytest.raises(InvalidRequest, match=r"or later: the history of synthetic/1m/2025-11\.sqlite begins") as e:
        check_begin(path, begins, begins - 1)
    assert e.value.pointer == "/as_of"
