"""How long the threads of this process were ready to run and had no CPU, as Linux counts it."""

from pathlib import Path

_THREADS = Path("/proc/self/task")


def read_cpu_waits() -> dict[str, int]:
    """Return for each thread of this process the nanoseconds that it has waited for a CPU; {} if they are unknown."""
    found = {}
    for path in _THREADS.glob("*/schedstat"):
        try:
            found[path.parent.name] = int(path.read_text("ascii").split()[1])
        except (OSError, ValueError, IndexError):
            # The thread has ended, or the kernel does not count.
            continue
    return found


def longest_cpu_wait_s(before: dict[str, int], now: dict[str, int]) -> float:
    """Return the seconds that the thread which waited longest has waited for a CPU between two readings."""
    return max((waited - before.get(thread, 0) for thread, waited in now.items()), default=0) / 1e9
