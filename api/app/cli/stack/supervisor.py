"""Starts child processes in order, restarts them when they die, and stops them in reverse order."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import structlog

from batch.errors import ConfigurationError
from batch.kit.embedded.postgres_cluster import run_as

_log = structlog.get_logger(__name__)
_START_S = 60.0
#: A child that repeatedly dies sooner than this is restarted after a pause that doubles.
_HEALTHY_S = 10.0
#: At most this much of a child's log is read: the log of a worker may be large.
_WORDS_MAX = 65_536


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How to run a child, how to tell that it is ready, and how long it may take to stop.

    Attributes:
        repair: called with the output of an ended child, or "" before a start; returns whether it removed the cause.

    """

    name: str
    argv: tuple[str, ...]
    log: Path
    is_ready: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    stop_s: float = 10.0
    user: str | None = None
    repair: Callable[[str], bool] = lambda _: False


class Child:
    """A running child process and its history."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.restarts = 0
        self._pause_s = 0.0
        #: Where the output of this process begins in the log.
        self._log_start = 0
        self.spec.repair("")
        self._process = self._spawn()
        self._started_at = time.monotonic()

    @property
    def pid(self) -> int:
        """The process id, which is also that of its process group."""
        return self._process.pid

    def wait_ready(self) -> None:
        """Return when the child answers.

        Raises:
            ConfigurationError: it died or did not answer in time; the message ends with its last output.

        """
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                if self.spec.repair(self._words()):
                    self._process = self._spawn()
                    continue
                raise ConfigurationError(f"{self.spec.name} did not start: {self._last_words()}")
            if self.spec.is_ready():
                return
            time.sleep(0.05)
        raise ConfigurationError(f"{self.spec.name} did not answer in {_START_S:.0f} s: {self._last_words()}")

    def revive(self) -> bool:
        """Start the child again if it is dead; return whether it was started."""
        code = self._process.poll()
        if code is None:
            return False
        lived = time.monotonic() - self._started_at
        if lived < self._pause_s:
            return False
        self._pause_s = 0.0 if lived > _HEALTHY_S else min(max(0.5, self._pause_s * 2), 10.0)
        # First kill the rest of its process group, such as the pool of a killed worker.
        _signal_group(self.pid, signal.SIGKILL)
        self.restarts += 1
        self.spec.repair(self._words())
        self._process = self._spawn()
        self._started_at = time.monotonic()
        _log.warning("child_restarted", child=self.spec.name, exit_code=code, pid=self.pid)
        return True

    def stop(self) -> None:
        """Ask the child to end; kill it if it does not."""
        if self._process.poll() is None:
            self._process.send_signal(self.spec.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(self.spec.stop_s)
        _signal_group(self.pid, signal.SIGKILL)
        self._process.wait()

    def _spawn(self) -> "subprocess.Popen[bytes]":
        with open_log(self.spec.log) as log:
            self._log_start = log.tell()
            # In a separate session: Ctrl-C reaches only the parent, which stops its children in order.
            return subprocess.Popen(
                self.spec.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.spec.env},
                start_new_session=True,
                **run_as(self.spec.user),
            )

    def _words(self) -> str:
        with self.spec.log.open("rb") as log:
            log.seek(max(self._log_start, self.spec.log.stat().st_size - _WORDS_MAX))
            return log.read().decode(errors="replace")

    def _last_words(self) -> str:
        lines = self._words().splitlines()
        return f"{' / '.join(lines[-3:]) or 'it said nothing'} (see {self.spec.log})"


def open_log(path: Path) -> IO[bytes]:
    """Open the log of a child at its end; nobody else may read it, also where an earlier release made it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")
    os.fchmod(log.fileno(), 0o600)
    return log


class Supervisor:
    """Children in the order of their dependence.

    Takes what records them, which is called again until it succeeds and must be cheap where nothing has changed,
    and whether they are still ours to restart.
    """

    def __init__(
        self, record: Callable[[list[Child]], None] = lambda _: None, is_ours: Callable[[], bool] = lambda: True
    ) -> None:
        self.children: list[Child] = []
        self._record = record
        self._is_ours = is_ours
        self._is_recorded = True
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self, specs: Sequence[ChildSpec]) -> None:
        """Start some children side by side, and wait until each answers."""
        fresh = []
        for spec in specs:
            fresh.append(Child(spec))
            self.children.append(fresh[-1])
            self._note()
        for child in fresh:
            child.wait_ready()
        # One that was repaired meanwhile has another pid.
        self._note()

    def watch(self) -> None:
        """Begin to restart children that end."""
        self._watcher.start()

    def stop(self) -> None:
        """Stop every child, the last started first."""
        self._stopping.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for child in reversed(self.children):
            child.stop()

    def _watch(self) -> None:
        while not self._stopping.wait(0.2):
            if not self._is_ours():
                continue
            for child in self.children:
                try:
                    child.revive()
                except OSError as e:
                    # A full disk or table of processes passes; a watcher that is gone does not come back.
                    _log.warning("restart_failed", child=child.spec.name, reason=str(e))
            self._note()

    def _note(self) -> None:
        try:
            self._record(self.children)
        except OSError as e:
            if self._is_recorded:
                _log.warning("children_not_recorded", reason=str(e))
            self._is_recorded = False
        else:
            self._is_recorded = True


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
