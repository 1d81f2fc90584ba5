"""How a child process is started, without secrets, and the limits that it sets for itself before untrusted input."""

import contextlib
import os
import resource
import sys
from pathlib import Path

#: The variables that a child gets. An allow list: settings, and so secrets, are variables too.
_PASSED = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "LD_LIBRARY_PATH",
    # Where matplotlib and fontconfig keep their caches.
    "HOME",
    "TMPDIR",
    "MPLCONFIGDIR",
    "XDG_CACHE_HOME",
)
#: The most open files, and the largest file that code of users may write.
_OPEN_FILES, _FILE_BYTES = 256, 64 << 20
#: The most processes and threads. The system counts them by user, so this holds only for a user of its own.
_PROCESSES = 1024


def build_command(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module in a fresh interpreter, which reads no `PYTHON*` variables."""
    # -I also keeps the working folder off the import path.
    return (sys.executable, "-I", "-m", module, *arguments)


def build_environment(home: Path | None = None) -> dict[str, str]:
    """Return the environment of a child: no secrets, and one thread for numpy, since each thread reserves memory.

    With `home`, this folder is its home and holds its temporary files.
    """
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    passed |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    return passed | ({"HOME": str(home), "TMPDIR": str(home)} if home else {})


def limit_process(*, memory_bytes: int, cpu_s: int) -> None:
    """Limit this process's address space and processor time, and let it write no core file."""
    _limit(resource.RLIMIT_AS, memory_bytes)
    _limit(resource.RLIMIT_CPU, cpu_s)
    _limit(resource.RLIMIT_CORE, 0)


def limit_files() -> None:
    """Limit the number of this process's open files, and the size of a file."""
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _limit(resource.RLIMIT_FSIZE, _FILE_BYTES)


def limit_processes() -> None:
    """Limit the processes and threads of this process's user."""
    _limit(resource.RLIMIT_NPROC, _PROCESSES)


def _limit(kind: int, most: int) -> None:
    with contextlib.suppress(OSError, ValueError):  # macOS lacks some
        resource.setrlimit(kind, (most, most))
