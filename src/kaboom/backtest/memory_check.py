"""Whether a panel fits into memory, checked before it is built."""

from contextlib import suppress
from pathlib import Path

from kaboom.errors import InvalidRequest

#: The most bytes of the bars, the limits, the weights and a run for each bar of each symbol.
CELL_BYTES = 225
#: Smaller panels are not checked.
_SMALL = 1_000_000
#: The folder in which Linux reports a container's memory limit (cgroup v2).
CGROUP = Path("/sys/fs/cgroup")


def check_room(cells: int) -> None:
    """Check that there is memory for a panel of `cells` bars times symbols.

    Raises:
        InvalidRequest: there is too little memory.

    """
    if cells <= _SMALL:
        return
    needed, free = cells * CELL_BYTES, measure_free_memory()
    if needed > free:
        raise InvalidRequest(
            f"a test on {cells:,} bars takes about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free:"
            " choose fewer symbols or sessions, or longer bars"
        )


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
