"""Compiling the kernel once for all processes of a machine, in a process of its own."""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from kaboom.backtest.engine.kernel_cache import is_built, kernel_folder
from kaboom.drivers.stop import ShouldStop, check_stop, never

#: The program that compiles; it ends when its standard input is closed, and so with the process that started it.
PROGRAM = "kaboom.backtest.compile_kernel"
_LOCK = "kernel.lock"
_KERNEL = "kaboom.backtest.engine.kernel"
_POLL_S = 0.05

_log = structlog.get_logger(__name__)


def is_loaded() -> bool:
    """Return whether this process has the compiled code."""
    return _KERNEL in sys.modules


def build_kernel(should_stop: ShouldStop = never) -> None:
    """Compile the kernel if its machine code is not on the disk; call it before the kernel is imported.

    One process of the machine compiles, and the others wait. If that fails, or no folder is safe to keep machine code
    in, the kernel compiles itself in this process when it is called.

    Raises:
        Stopped: `should_stop` turned true.

    """
    if is_loaded():
        return
    folder = kernel_folder()
    if folder is None:
        _log.warning("kernel_not_kept", reason="no cache folder is writable for this user alone: set NUMBA_CACHE_DIR")
    elif not is_built(folder):
        _log.info("kernel_compiling", folder=str(folder))
        began_at = time.monotonic()
        code = _run_program(should_stop)
        seconds = round(time.monotonic() - began_at, 1)
        if code:
            _log.warning("kernel_not_kept", reason=f"the process that compiles it ended with {code}", seconds=seconds)
        else:
            _log.info("kernel_compiled", seconds=seconds)


@contextmanager
def kernel_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder with machine code; it ends with its process."""
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def program_command() -> list[str]:
    """Return the command that compiles the kernel until its standard input is closed."""
    # -P: do not import from the working folder.
    return [sys.executable, "-P", "-m", PROGRAM, "--with-parent"]


def _run_program(should_stop: ShouldStop) -> int:
    with subprocess.Popen(program_command(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None:
                check_stop(should_stop)
                time.sleep(_POLL_S)
        finally:
            process.kill()
    return process.returncode
