"""Stopping work in the middle: the check, and the exception."""

from collections.abc import Callable

#: Returns whether to stop; may be called often, from any thread.
type ShouldStop = Callable[[], bool]


class Stopped(Exception):
    """The work was stopped by its caller; this is not a failure."""


def never() -> bool:
    """Return False: never stop the work."""
    return False


def check_stop(should_stop: ShouldStop) -> None:
    """Raise `Stopped` if a stop is wanted."""
    if should_stop():
        raise Stopped
