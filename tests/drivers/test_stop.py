"""Ending tasks, and an event that signals set."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from kaboom.drivers.stop import StopEvent, end_tasks

_HEEDS_SIGNALS = """
import os, signal
from kaboom.drivers.stop import StopEvent

event = StopEvent()
signal.signal(signal.SIGHUP, lambda *_: event.set())
print("ready", flush=True)
event.wait()
for _ in range(20_000):
    event._is_set = False
    event.wait(0.00002)
    event.set()
print("alive", flush=True)
os._exit(0)
"""


async def work(*, loses: int = 0) -> None:
    """Work for ever; cancels are lost to an error as often as asked."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if not loses:
                raise
            loses -= 1


async def fail() -> None:
    raise ValueError("a bug")


@pytest.mark.anyio
async def test_all_tasks_end_despite_a_lost_cancel_or_a_failure() -> None:
    tasks = [asyncio.create_task(each) for each in (work(), work(loses=2), fail())]
    await asyncio.sleep(0)
    await end_tasks(tasks, again_after_s=0.05)
    assert all(task.done() for task in tasks)
    await end_tasks([])


def test_signals_in_a_row_are_no_deadlock() -> None:
    with subprocess.Popen([sys.executable, "-c", _HEEDS_SIGNALS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        # They arrive anywhere in that process, also within its handler.
        while process.poll() is None:
            os.kill(process.pid, signal.SIGHUP)
        assert process.stdout.read() == "alive\n"
    assert process.returncode == 0


def test_every_thread_that_waits_is_woken() -> None:
    event = StopEvent()
    threads = [threading.Thread(target=event.wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert not event.wait(0.01)
    event.set()
    for thread in threads:
        thread.join(timeout=10)
    assert not any(thread.is_alive() for thread in threads)
    assert event.wait()
    assert event.is_set()


def test_a_wait_ends_with_its_time() -> None:
    begun_at = time.monotonic()
    assert not StopEvent().wait(0.05)
    assert time.monotonic() - begun_at >= 0.05
