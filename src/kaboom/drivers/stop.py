"""Stopping work in the middle: the check, and the exception."""

import asyncio
import queue
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

#: Returns whether to stop; may be called often, from any thread.
type ShouldStop = Callable[[], bool]


class Stopped(Exception):
    """The work was stopped by its caller; this is not a failure."""


class StopEvent:
    """An event that a signal handler may set.

    `threading.Event` holds a lock while it is set or waited for. A handler that runs meanwhile in the same thread would
    wait for this lock forever: for two signals in a row, that is a deadlock. `SimpleQueue.put` is reentrant.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        """Set it, for good."""
        self._is_set = True
        self._wakes.put(None)

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._is_set

    def wait(self, within_s: float | None = None) -> bool:
        """Wait until it is set, at most for a time; return whether it is set. Any number of threads may wait."""
        if not self._is_set:
            with suppress(queue.Empty):
                self._wakes.get(timeout=within_s)
                # For the next who waits.
                self._wakes.put(None)
        return self._is_set


def never() -> bool:
    """Return False: never stop the work."""
    return False


async def end_tasks(tasks: Collection[asyncio.Task[Any]], *, again_after_s: float = 5.0) -> None:
    """Cancel tasks, and return when all have ended, with or without an error.

    A task that lost its cancel to an error raised at the same moment is cancelled again.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=again_after_s)
    await asyncio.gather(*tasks, return_exceptions=True)


def is_being_cancelled() -> bool:
    """Return whether the current task was cancelled: an error raised in place of the cancel does not undo it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def check_stop(should_stop: ShouldStop) -> None:
    """Raise `Stopped` if a stop is wanted."""
    if should_stop():
        raise Stopped
