"""A whole `kaboom up` ended in seven ways at three moments: no process is left after 15 s (row 64)."""

import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import psutil
import pytest

from kaboom.cli.stack.data_folder import find_workers_on
from kaboom.drivers.embedded.run_file import read_run_file
from kaboom.drivers.embedded.servers import free_port
from tests.faults.lab.measure import Measures
from tests.fixtures.jobs.apps import JOBS, RUN_DAILY
from tests.fixtures.patience import Patience
from tests.fixtures.servers.stacks import KABOOM, clean_environment, until

LEFT_WITHIN_S = 15.0
BODY = {"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 100}


class Ending:
    """A `kaboom up` in a session of its own, on a pipe or a terminal that the test can close."""

    def __init__(self, data_dir: Path, *, is_terminal: bool) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self._reader, writer = pty.openpty() if is_terminal else os.pipe()
        # The terminal becomes that of the new session, as in a window: closing it sends SIGHUP.
        session = ("setsid", *(["--ctty"] if is_terminal else []))
        # Tests that `nohup` runs ignore SIGHUP, and so would `kaboom up`, which means it.
        argv = (*session, "env", "--default-signal=HUP", *KABOOM, "up", "--port", str(self.port))
        self.process = subprocess.Popen(
            (*argv, "--concurrency", "2"),
            stdin=writer if is_terminal else subprocess.DEVNULL,
            stdout=writer,
            stderr=writer,
            cwd=data_dir.parent,
            env=clean_environment(KABOOM_DATA_DIR=str(data_dir)),
        )
        os.close(writer)

    def close_console(self) -> None:
        os.close(self._reader)
        self._reader = -1

    def release(self) -> None:
        if self._reader >= 0:
            self.close_console()
        with suppress(psutil.NoSuchProcess):
            for process in self.family():
                process.kill()
        self.process.kill()
        self.process.wait()
        for process in find_workers_on(self.data_dir):
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def family(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(f"http://127.0.0.1:{self.port}{path}", headers=self._headers(), timeout=15, trust_env=False)

    def submit(self) -> str:
        url = f"http://127.0.0.1:{self.port}{RUN_DAILY}"
        answer = httpx2.post(url, json=BODY, headers=self._headers(), timeout=15, trust_env=False)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def _headers(self) -> dict[str, str]:
        return {"x-ingest-token": (self.data_dir / "ingest-token").read_text().strip()}


@contextmanager
def ending(data_dir: Path, *, is_terminal: bool) -> Iterator[Ending]:
    up = Ending(data_dir, is_terminal=is_terminal)
    try:
        yield up
    finally:
        up.release()


def wait_starting(up: Ending) -> None:
    until(lambda: len(read_run_file(up.data_dir).get("children", [])), lambda count: count >= 2, within_s=60)


def wait_idle(up: Ending) -> None:
    def is_ready() -> bool:
        # Its token is made after the first moment.
        with suppress(httpx2.HTTPError, FileNotFoundError):
            return bool(up.get("/readyz").json()["workers_online"])
        return False

    until(is_ready, bool, within_s=90)


def wait_busy(up: Ending) -> None:
    wait_idle(up)
    job_id = up.submit()
    until(lambda: up.get(f"{JOBS}/{job_id}").json()["progress"]["done"], bool, within_s=90)


def end_without_reader(up: Ending, number: signal.Signals) -> None:
    up.close_console()
    up.send(number)


MOMENTS = {"starting": wait_starting, "idle": wait_idle, "busy": wait_busy}
ENDS: dict[str, Callable[[Ending], None]] = {
    "INT": lambda up: up.send(signal.SIGINT),
    "TERM": lambda up: up.send(signal.SIGTERM),
    "HUP": lambda up: up.send(signal.SIGHUP),
    "closed terminal": Ending.close_console,
    "INT, dead stdout": lambda up: end_without_reader(up, signal.SIGINT),
    "TERM, dead stdout": lambda up: end_without_reader(up, signal.SIGTERM),
    "KILL": lambda up: up.send(signal.SIGKILL),
}
#: What CI runs.
SHORT = {("closed terminal", "idle"), ("TERM, dead stdout", "starting"), ("KILL", "busy")}
CASES = [
    pytest.param(end, moment, marks=[] if (end, moment) in SHORT else pytest.mark.full)
    for end in ENDS
    for moment in MOMENTS
]


@pytest.mark.parametrize(("end", "moment"), CASES)
def test_no_process_is_left_within_15_s(end: str, moment: str, open_tmp: Path, measure: Measures) -> None:
    with ending(open_tmp / "data", is_terminal=end == "closed terminal") as up:
        MOMENTS[moment](up)
        family = up.family()
        begun_at = time.monotonic()
        ENDS[end](up)
        left = wait_gone(up, family)
        took_s = time.monotonic() - begun_at
    assert not left
    measure.note(64, f"kaboom up, {moment}, ends by {end}: no process is left", took_s=took_s)


def is_alive(process: psutil.Process) -> bool:
    # Orphans that have ended stay zombies where the first process of a container does not wait for them.
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_gone(up: Ending, family: list[psutil.Process]) -> list[psutil.Process]:
    """Return what still runs of a family, and of what it started meanwhile, when the time is up or nothing is left."""
    patience = Patience(LEFT_WITHIN_S)
    while not patience.is_over:
        # Our own child is a zombie until it is waited for.
        up.process.poll()
        left = {process for process in family if is_alive(process)} | {*find_workers_on(up.data_dir)}
        if not left:
            return []
        time.sleep(0.1)
    return sorted(left, key=lambda process: process.pid)
