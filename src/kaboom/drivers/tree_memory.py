"""The memory of this process and of its descendants."""

from contextlib import suppress


def measure_tree_memory() -> int:
    """Return the resident memory of this process and its descendants, in bytes; shared pages count in each of them."""
    import psutil  # noqa: PLC0415  the API loads it only where it runs workers itself

    process, total = psutil.Process(), 0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.Error):
            total += each.memory_info().rss
    return int(total)
