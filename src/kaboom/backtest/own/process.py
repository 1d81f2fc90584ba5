"""The process of a strategy, as its worker sees it: started, asked within a time, and ended with all its children."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import structlog

from kaboom.backtest.own.program import NO_MEMORY
from kaboom.backtest.own.wire import Array, Garbled, Message, receive, send
from kaboom.drivers.child_process.command import build_command, build_environment
from kaboom.drivers.child_process.isolation import hide_memory
from kaboom.drivers.stop import ShouldStop, Stopped, check_stop
from kaboom.errors import InvalidRequest, StrategyFailed

_PROGRAM = "kaboom.backtest.own.program"
#: How long the interpreter may take to start on a busy machine, and to end.
_START_S, _END_S = 120.0, 3.0
#: How often a wait checks for a stop.
_TICK_S = 0.1

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StrategyLimits:
    """The limits of a strategy's process.

    Attributes:
        memory_mb: of its address space, MiB; its panels are in it.
        timeout_s: of one answer: loading its file, the weights of one trial, or one run bar by bar.
        hidden: folders that it must not see.

    """

    memory_mb: int
    timeout_s: float
    hidden: tuple[Path, ...] = ()


class _TookTooLong(Exception):
    """The time for an answer is over."""


class StrategyProcess:
    """A process that runs one strategy; methods may be called from any thread, one at a time, `close` at any time."""

    def __init__(self, name: str, limits: StrategyLimits, should_stop: ShouldStop) -> None:
        self.name = name
        self.limits = limits
        self._should_stop = should_stop
        self._asking, self._opening = threading.Lock(), threading.Lock()
        self._is_closed = False
        self._running: _Running | None = None
        self._deadline = 0.0

    @property
    def pid(self) -> int:
        """The process id of its guard, whose children the strategy and its own children are."""
        return self._running.process.pid if self._running else 0

    def start(self) -> None:
        """Start the process.

        Raises:
            StrategyFailed: it did not start.
            Stopped: `should_stop` turned true, or the process was closed.

        """
        with self._opening:
            if self._is_closed:
                raise Stopped
            self._running = running = _Running.start(self.name, self.limits)
        with self._asking:
            hello = self._exchange(running, None, 0, _START_S)
        _log.info("strategy_process_started", strategy=self.name, pid=self.pid, **hello.words)

    def ask(self, words: Mapping[str, Any], arrays: Sequence[Array] = (), *, most_bytes: int = 0) -> Message:
        """Return the answer to a message, whose arrays have at most `most_bytes` together.

        Raises:
            InvalidRequest: the strategy rejected its parameters, or a decision was not allowed.
            StrategyFailed: the strategy raised an error, went beyond a limit, or ended its process.
            Stopped: `should_stop` turned true, or the process was closed.

        """
        running = self._running
        if running is None or self._is_closed:
            raise Stopped
        with self._asking:
            answer = self._exchange(running, Message(words, arrays), most_bytes, self.limits.timeout_s)
        if (fault := answer.words.get("error")) is not None:
            self._raise(fault)
        return answer

    def close(self) -> None:
        """End the process and all its children; an `ask` of another thread ends."""
        with self._opening:
            self._is_closed = True
        if running := self._running:
            running.end()
            with self._asking:
                running.drop()
            self._running = None

    def say_memory(self) -> str:
        """Return the sentence for a strategy that needed more memory than it may have."""
        return (
            f"strategy {self.name} needed more than {self.limits.memory_mb:,} MiB of memory, the limit of"
            " KABOOM_STRATEGY_MEMORY_MB"
        )

    def _exchange(self, running: "_Running", message: Message | None, most_bytes: int, patience_s: float) -> Message:
        self._deadline = time.monotonic() + patience_s
        try:
            if message:
                send(message, lambda view: self._put(running.wire, view))
            return receive(lambda view: self._take(running.wire, view), most_bytes=most_bytes)
        except _TookTooLong as e:
            running.end()
            if message is None:
                raise StrategyFailed(f"the process of strategy {self.name} did not start in {patience_s:g} s") from e
            raise StrategyFailed(
                f"strategy {self.name} took more than {patience_s:g} s, the limit of KABOOM_STRATEGY_TIMEOUT_S"
            ) from e
        except Stopped:
            running.end()
            raise
        except Garbled as e:
            running.end()
            raise StrategyFailed(f"strategy {self.name} sent data that cannot be read: {e}") from e
        except (EOFError, OSError) as e:
            running.end()
            if self._is_closed:
                raise Stopped from e
            raise StrategyFailed(self._say_end(running, is_started=message is not None)) from e

    def _put(self, wire: socket.socket, view: memoryview) -> None:
        while view:
            with contextlib.suppress(TimeoutError):
                view = view[wire.send(view) :]
            self._check()

    def _take(self, wire: socket.socket, view: memoryview) -> None:
        while view:
            with contextlib.suppress(TimeoutError):
                size = wire.recv_into(view)
                if not size:
                    raise EOFError
                view = view[size:]
            self._check()

    def _check(self) -> None:
        check_stop(self._should_stop)
        if time.monotonic() > self._deadline:
            raise _TookTooLong

    def _say_end(self, running: "_Running", *, is_started: bool) -> str:
        code = running.code
        if not is_started:
            said = running.read_words() or f"exit code {code}"
            return f"the process of strategy {self.name} did not start: {said}"
        if code == NO_MEMORY:
            return self.say_memory()
        if code == -signal.SIGKILL:
            return (
                f"the process of strategy {self.name} was killed: the machine or its container has too little memory,"
                " or somebody killed it"
            )
        if code < 0:
            return f"the process of strategy {self.name} crashed with {signal.Signals(-code).name}"
        return f"the process of strategy {self.name} ended with exit code {code}"

    def _raise(self, fault: Any) -> None:
        kind, message, pointer = (str(fault.get(key, "")) for key in ("kind", "message", "pointer"))
        if kind == "memory":
            raise StrategyFailed(self.say_memory())
        if kind == "invalid":
            raise InvalidRequest(message, pointer=pointer)
        raise StrategyFailed(f"strategy {self.name} failed: {message}")


@dataclass(slots=True)
class _Running:
    """A process that was started, its socket, its folder, and what it writes before its strategy is loaded."""

    process: "subprocess.Popen[bytes]"
    wire: socket.socket
    folder: Path
    words: IO[bytes]
    #: Its exit code, negative for a signal; None before its end.
    ended: int | None = None

    @classmethod
    def start(cls, name: str, limits: StrategyLimits) -> "_Running":
        hide_memory()
        # Made and removed by the process: `/tmp` may be another folder there.
        folder = Path(tempfile.gettempdir(), f"kaboom-strategy-{secrets.token_hex(8)}")
        ours, theirs = socket.socketpair()
        ours.settimeout(_TICK_S)
        words = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        terms = {
            "name": name,
            "parent": os.getpid(),
            "socket": theirs.fileno(),
            "folder": str(folder),
            "memory_bytes": limits.memory_mb << 20,
            "hidden": [str(each.absolute()) for each in (*limits.hidden, Path.home())],
        }
        with theirs:
            process = subprocess.Popen(
                build_command(_PROGRAM, json.dumps(terms)),
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=words,
                env=build_environment(folder),
                cwd="/",
                # With a process group of its own, which is killed as a whole.
                start_new_session=True,
            )
        return cls(process, ours, folder, words)

    @property
    def code(self) -> int:
        """The exit code of the ended process, negative for a signal."""
        return self.ended or 0

    def end(self) -> None:
        """End the process and its children; its socket ends, too."""
        if self.ended is not None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            # Often the process has just ended by itself: its exit code then says why.
            self.ended = self.process.wait(_TICK_S)
        if self.ended is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_END_S)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.ended = self.process.wait()

    def drop(self) -> None:
        """Close the socket, and remove the folder if a killed process left it."""
        self.wire.close()
        self.words.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def read_words(self) -> str:
        """Return the last line that the process wrote before its strategy was loaded."""
        self.words.seek(0)
        lines = self.words.read(65_536).decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else ""
