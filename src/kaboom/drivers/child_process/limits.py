"""Limits that a child process sets for itself before it reads untrusted input."""

import contextlib
import resource

#: The most open files, and the largest file that code of users may write.
_OPEN_FILES, _FILE_BYTES = 256, 64 << 20
#: The most processes and threads. The system counts them by user, so this holds only for a user of its own.
_PROCESSES = 1024


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
