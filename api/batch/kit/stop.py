"""Stopping work in the middle: the check, and the exception."""

import asyncio
from collections.abc import Callable, Collection
from typing import Any

#: Returns whether to stop; may be called often, from any thread.
type ShouldStop = Callable[[], bool]


class Stopped(Exception):
    """The work was stopped by its caller; this is not a failure."""


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
