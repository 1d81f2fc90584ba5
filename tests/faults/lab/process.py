"""One child process of the lab: started, killed, frozen and started again when the test says so."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.fixtures.servers.stacks import until


@dataclass(frozen=True)
class Spec:
    """How to run a process, and how to tell that it is ready, by its pid."""

    name: str
    argv: Sequence[str]
    log: Path
    is_ready: Callable[[int], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    #: Whom it runs as, if not the user of the tests.
    user: str | None = None


class Process:
    """A process with the group that it leads: its pool dies and freezes with it, as in a container."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """Its name in the lab."""
        return self.spec.name

    @property
    def pid(self) -> int:
        """The pid of its main process."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the main process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How the main process ended, None while it runs."""
        return self._process.poll() if self._process else None

    def spawn(self) -> None:
        """Start it, and do not wait."""
        with self.spec.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.spec.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.spec.env,
                start_new_session=True, user=self.spec.user, cwd="/" if self.spec.user else None,
            )  # fmt: skip

    def wait_ready(self, *, within_s: float = 60.0) -> None:
        """Return when it answers."""

        def ask() -> bool:
            assert self.is_alive, f"{self.name} ended with {self.exit_code}: {self.last_words()}"
            return self.spec.is_ready(self.pid)

        until(ask, bool, within_s=within_s)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.spawn()
        self.wait_ready()

    def kill(self) -> None:
        """End it and its group without a word: SIGKILL, as when a machine dies."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        if self._process:
            self._process.wait(20)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the main process alone."""
        os.kill(self.pid, number)

    def freeze(self) -> None:
        """Stop the whole group without ending it; connections stay open."""
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the group go on."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGCONT)

    def wait_end(self, within_s: float) -> float:
        """Wait for its end, and return how long that took."""
        begun_at = time.monotonic()
        assert self._process is not None
        self._process.wait(within_s)
        return time.monotonic() - begun_at

    def stop(self) -> None:
        """Ask it to end, and make it and its group."""
        if self._process is None:
            return
        self.thaw()
        if self.is_alive:
            self.send(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(12)
        self.kill()

    def children(self) -> list[int]:
        """Return the pids of its child processes."""
        return [child.pid for child in psutil.Process(self.pid).children(recursive=True)]

    def rss_mb(self) -> float:
        """Return the resident memory of the process and its children, in MB."""
        total = 0
        for process in (psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total / 1e6

    def last_words(self) -> str:
        """Return the end of its log, while that exists."""
        return "" if not self.spec.log.exists() else self.spec.log.read_text(errors="replace")[-4000:]
