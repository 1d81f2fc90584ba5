"""How long threads waited for a CPU, as the kernel counts it."""

import os
import subprocess
import sys
import threading

import pytest

from kaboom.jobs.engine.run import heartbeat
from kaboom.jobs.engine.run.heartbeat import longest_cpu_wait_s, read_cpu_waits


@pytest.mark.skipif(not read_cpu_waits(), reason="the kernel does not count waits")
def test_a_thread_that_shares_its_cpu_waits_for_it() -> None:
    mine, before = os.sched_getaffinity(0), read_cpu_waits()
    assert str(threading.get_native_id()) in before
    os.sched_setaffinity(0, {min(mine)})
    # It inherits the one CPU.
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        for _ in range(100):
            sum(range(1_000_000))
            if longest_cpu_wait_s(before, read_cpu_waits()) > 0.05:
                return
        raise AssertionError("2 s of work beside another process waited for less than 50 ms")
    finally:
        os.sched_setaffinity(0, mine)
        other.kill()
        other.wait()


def test_the_longest_wait_of_a_thread_counts() -> None:
    before = {"1": 5_000_000_000, "2": 1_000_000_000}
    assert longest_cpu_wait_s(before, {"1": 6_000_000_000, "2": 4_000_000_000, "3": 500}) == 3.0
    assert longest_cpu_wait_s(before, {}) == 0.0


def test_a_system_that_does_not_count_has_no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "_THREADS", heartbeat._THREADS / "none")
    assert read_cpu_waits() == {}
