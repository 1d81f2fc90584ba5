"""End a process of the pool after its task, so that the pool replaces it."""

import structlog
from billiard import pool

_log = structlog.get_logger(__name__)


def end_after_task() -> None:
    """Have this process end after its task: memory that Python and its libraries hold goes back to the system.

    Between tasks billiard compares the memory in use with `worker_max_memory_per_child`, and ends a process above it.
    It gives a process no other way to end that is not reported as a lost worker.
    """
    _log.warning("process_recycled", reason="it was out of memory")
    vars(pool)["mem_rss"] = lambda: 1 << 62
