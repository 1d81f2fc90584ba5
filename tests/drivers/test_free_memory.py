"""Free memory is the machine's, or what a container has left of its limit."""

from pathlib import Path

import psutil
import pytest

from kaboom.backtest.memory_check import measure_free_memory

MB = 1024 * 1024


def write_cgroup(into: Path, limit: str) -> Path:
    (into / "memory.max").write_text(f"{limit}\n")
    (into / "memory.current").write_text(f"{60 * MB}\n")
    (into / "memory.stat").write_text(f"anon {40 * MB}\ninactive_file {15 * MB}\nactive_file {5 * MB}\n")
    return into


def test_a_container_has_what_is_left_of_its_limit(tmp_path: Path) -> None:
    assert measure_free_memory(write_cgroup(tmp_path, str(100 * MB))) == 55 * MB


def test_a_container_over_its_limit_has_none(tmp_path: Path) -> None:
    assert measure_free_memory(write_cgroup(tmp_path, str(20 * MB))) == 0


@pytest.mark.parametrize("limit", ["max", str(2**62)])
def test_without_a_limit_the_memory_of_the_machine_is_used(tmp_path: Path, limit: str) -> None:
    assert 0 < measure_free_memory(write_cgroup(tmp_path, limit)) <= psutil.virtual_memory().total


def test_without_cgroups_the_memory_of_the_machine_is_used(tmp_path: Path) -> None:
    assert 0 < measure_free_memory(tmp_path / "none") <= psutil.virtual_memory().total
