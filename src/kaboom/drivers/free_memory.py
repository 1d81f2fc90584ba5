"""The memory that this process may still take."""

from contextlib import suppress
from pathlib import Path

#: The folder in which Linux reports a container's memory limit (cgroup v2).
CGROUP = Path("/sys/fs/cgroup")


def measure_free_memory(cgroup: Path = CGROUP) -> int:
    """Return how many bytes are free: of the machine, or of a container's limit if that is less."""
    import psutil  # noqa: PLC0415  the API loads it only where it runs workers itself

    free = int(psutil.virtual_memory().available)
    # Without a container there are no such files, and without a limit the first says "max".
    with suppress(OSError, ValueError):
        limit, used = (int((cgroup / name).read_text()) for name in ("memory.max", "memory.current"))
        stat = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
        # The kernel frees cached files that are not in use when memory is needed.
        free = min(free, limit - used + int(stat["inactive_file"]))
    return max(free, 0)
