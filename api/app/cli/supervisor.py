"""Child processes that are started in order, restarted when they die, and stopped in reverse."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import structlog

from batch.errors import ConfigurationError

_log = structlog.get_logger(__name__)
_START_S = 60.0
#: A child that lives shorter than this each time is not restarted at once, but after a pause that doubles.
_HEALTHY_S = 10.0


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How to run a child, how to tell that it is ready, and how long it may take to stop."""

    name: str
    argv: tuple[str, ...]
    log: Path
    is_ready: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    stop_s: float = 10.0
    user: str | None = None


class Child:
    """A running child process and its history."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.restarts = 0
        self._pause_s = 0.0
        self._process = self._spawn()
        self._started_at = time.monotonic()

    @property
    def pid(self) -> int:
        """The process id, which is also that of its process group."""
        return self._process.pid

    def wait_ready(self) -> None:
        """Return when the child answers.

        Raises:
            ConfigurationError: it died or did not answer in time; the message ends with its last words.

        """
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
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
        # What is left of its group, such as the pool of a killed worker, goes first.
        _signal_group(self.pid, signal.SIGKILL)
        self.restarts += 1
        self._process = self._spawn()
        self._started_at = time.monotonic()
        _log.warning("child_restarted", child=self.spec.name, exit_code=code, pid=self.pid)
        return True

    def stop(self) -> None:
        """Ask the child to end, and make it."""
        if self._process.poll() is None:
            self._process.send_signal(self.spec.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(self.spec.stop_s)
        _signal_group(self.pid, signal.SIGKILL)
        self._process.wait()

    def _spawn(self) -> "subprocess.Popen[bytes]":
        self.spec.log.parent.mkdir(parents=True, exist_ok=True)
        with self.spec.log.open("ab") as log:
            # A session of its own: a Ctrl-C on the terminal reaches the parent alone, which stops in order.
            return subprocess.Popen(
                self.spec.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.spec.env},
                start_new_session=True,
                user=self.spec.user,
                cwd="/" if self.spec.user else None,
            )

    def _last_words(self) -> str:
        lines = self.spec.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return f"{' / '.join(lines[-3:]) or 'it said nothing'} (see {self.spec.log})"


class Supervisor:
    """Children in the order of their dependence."""

    def __init__(self, on_change: Callable[[list[Child]], None] = lambda _: None) -> None:
        self.children: list[Child] = []
        self._on_change = on_change
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self, specs: Sequence[ChildSpec]) -> None:
        """Start some children side by side, and wait until each answers."""
        fresh = []
        for spec in specs:
            fresh.append(Child(spec))
            self.children.append(fresh[-1])
            self._on_change(self.children)
        for child in fresh:
            child.wait_ready()

    def watch(self) -> None:
        """Restart what dies, from now on."""
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
            try:
                revived = [child.revive() for child in self.children]
                if any(revived):
                    self._on_change(self.children)
            except OSError as e:
                # A full disk or table of processes passes; a watcher that is gone does not come back.
                _log.warning("restart_failed", reason=str(e))


def identify(pid: int) -> dict[str, float]:
    """Return what tells a process from a later one with the same pid."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return {"pid": pid, "created": psutil.Process(pid).create_time()}
    return {"pid": pid, "created": 0.0}


def end_orphans(identities: list[dict[str, float]]) -> int:
    """End the process groups that a killed parent left, and return how many there were."""
    orphans = [int(i["pid"]) for i in identities if _is_same(i)]
    for pid in orphans:
        _signal_group(pid, signal.SIGTERM)
    processes = []
    for pid in orphans:
        with contextlib.suppress(psutil.NoSuchProcess):
            processes.append(psutil.Process(pid))
    psutil.wait_procs(processes, timeout=5)
    for pid in orphans:
        _signal_group(pid, signal.SIGKILL)
    psutil.wait_procs([p for p in processes if p.is_running()], timeout=5)
    return len(orphans)


def _is_same(identity: Mapping[str, float]) -> bool:
    try:
        return abs(psutil.Process(int(identity["pid"])).create_time() - identity["created"]) < 1
    except psutil.NoSuchProcess:
        return False


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
