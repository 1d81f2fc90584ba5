"""Limits that a child process sets for itself before it reads untrusted input."""

import contextlib
import resource


def limit_process(*, memory_bytes: int, cpu_s: int) -> None:
    """Limit this process's address space and processor time, and let it write no core file."""
    for limit, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(OSError, ValueError):  # macOS lacks some
            resource.setrlimit(limit, (most, most))
