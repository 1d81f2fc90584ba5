"""A child process: starts it, restarts it after it has ended, and stops it."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import structlog

from kaboom.drivers.embedded.postgres_cluster import run_as
from kaboom.errors import ConfigurationError

_log = structlog.get_logger(__name__)
_START_S = 60.0
#: A child that repeatedly dies sooner than this is restarted after a pause that doubles.
_HEALTHY_S = 10.0
_LEAST_PAUSE_S, _MOST_PAUSE_S = 0.5, 10.0
#: At most this much of a child's log is read: the log of a worker may be large.
_WORDS_MAX = 65_536
#: At most this much of a line is repeated: a worker's line may have a traceback in it.
_LINE_MAX = 300


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How to run a child, how to tell that it is ready, and how long it may take to stop.

    Attributes:
        user: the user that it runs as, if not our own; it is then started in `folder`.
        address: the file of its socket; without this file nobody can connect, and the child is restarted.
        repair: called with the output of the ended child, or "" before a start; returns whether it removed the cause.

    """

    name: str
    argv: tuple[str, ...]
    log: Path
    is_ready: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: int = subprocess.DEVNULL
    stop_signal: signal.Signals = signal.SIGTERM
    stop_s: float = 10.0
    user: str | None = None
    folder: Path = Path("/")
    address: Path | None = None
    repair: Callable[[str], bool] = lambda _: False


class Child:
    """A running child process and its history."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.restarts = 0
        #: How often it has ended since its last long life, the cause, and when it may be started again.
        self._ends = 0
        self._is_down = self._is_ending = False
        self._cause = ""
        self._next_at = 0.0
        #: Where the output of this process begins in the log.
        self._log_start = 0
        self.spec.repair("")
        self._process = self._spawn()
        self._started_at = time.monotonic()

    @property
    def pid(self) -> int:
        """The process id, which is also that of its process group."""
        return self._process.pid

    def wait_ready(self, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """Return when the child answers, or when `is_stopping` turns true.

        Raises:
            ConfigurationError: it died or did not answer in time; the message ends with its last output.

        """
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if is_stopping():
                return
            if self._process.poll() is not None:
                if self.spec.repair(self._words()):
                    self._process = self._spawn()
                    continue
                raise ConfigurationError(f"{self.spec.name} did not start: {self._last_words()}")
            if self.spec.is_ready():
                return
            time.sleep(0.05)
        raise ConfigurationError(f"{self.spec.name} did not answer in {_START_S:.0f} s: {self._last_words()}")

    def revive(self, cause: str = "") -> bool:
        """Start the child again if it is dead; return whether it was started.

        A child that ends soon after each start is restarted after a pause, which is logged once until the cause
        changes. Without a known cause, its last output is logged.
        """
        code, now = self._process.poll(), time.monotonic()
        if code is None:
            self._note_life(now)
            self._end_unreachable(now)
            return False
        if not self._is_down:
            self._note_end(now, code, cause)
        if now < self._next_at:
            return False
        # Used if the start fails.
        self._next_at = now + _MOST_PAUSE_S / 5
        # First kill the rest of its process group, such as the pool of a killed worker.
        _signal_group(self.pid, signal.SIGKILL)
        self.spec.repair(self._words())
        self._process = self._spawn()
        self.restarts += 1
        self._started_at, self._is_down, self._is_ending = time.monotonic(), False, False
        if self._ends == 1:
            _log.warning("child_restarted", child=self.spec.name, pid=self.pid)
        return True

    def ask_to_end(self) -> None:
        """Ask the child to end, once: a worker hurries when it is asked again."""
        if not self._is_ending and self._process.poll() is None:
            self._is_ending = True
            self._process.send_signal(self.spec.stop_signal)

    def stop(self) -> None:
        """Ask the child to end; kill it if it does not."""
        self.ask_to_end()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(self.spec.stop_s)
        _signal_group(self.pid, signal.SIGKILL)
        self._process.wait()

    def _end_unreachable(self, now: float) -> None:
        address = self.spec.address
        if address is None or self._is_ending or now - self._started_at < _HEALTHY_S or address.exists():
            return
        _log.warning("child_unreachable", child=self.spec.name, reason=f"{address} is gone")
        self.ask_to_end()

    def _note_end(self, now: float, code: int, cause: str) -> None:
        self._note_life(now)
        self._ends += 1
        pause_s = min(_LEAST_PAUSE_S * 2 ** (self._ends - 2), _MOST_PAUSE_S) if self._ends > 1 else 0.0
        self._is_down, self._next_at = True, now + pause_s
        is_told, self._cause = self._ends > 2 and cause == self._cause, cause
        if not is_told:
            event = "child_ended" if self._ends == 1 else "child_keeps_ending"
            # A killed process wrote nothing about that.
            own = f"killed by {signal.Signals(-code).name}" if code < 0 else self._last_words()
            _log.warning(event, child=self.spec.name, exit_code=code, reason=cause or own)

    def _note_life(self, now: float) -> None:
        if not self._ends or now - self._started_at < _HEALTHY_S:
            return
        if self._ends > 1:
            _log.warning("child_stays_up", child=self.spec.name, pid=self.pid, ended_before=self._ends)
        self._ends = 0

    def _spawn(self) -> "subprocess.Popen[bytes]":
        with open_log(self.spec.log) as log:
            self._log_start = log.tell()
            # In a separate session: Ctrl-C reaches only the parent, which stops its children in order.
            return subprocess.Popen(
                self.spec.argv,
                stdin=self.spec.stdin,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.spec.env},
                start_new_session=True,
                **run_as(self.spec.user, self.spec.folder),
            )

    def _words(self) -> str:
        with self.spec.log.open("rb") as log:
            log.seek(max(self._log_start, self.spec.log.stat().st_size - _WORDS_MAX))
            return log.read().decode(errors="replace")

    def _last_words(self) -> str:
        lines = self._words().splitlines()
        said = " / ".join(line[:_LINE_MAX] for line in lines[-3:])
        return f"{said or 'it said nothing'} (see {self.spec.log})"


def open_log(path: Path) -> IO[bytes]:
    """Open the log of a child at its end; nobody else may read it, also where an earlier release made it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")
    os.fchmod(log.fileno(), 0o600)
    return log


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
