"""Work that may be stopped in the middle: how it asks, and what ends it then."""

from collections.abc import Callable

#: Returns whether to stop; may be called often, and from any thread.
type ShouldStop = Callable[[], bool]


class Stopped(Exception):
    """The work under way was stopped as its caller wished; it is no failure, and counts for nothing."""


def never() -> bool:
    """Return False: the work is not stopped."""
    return False


def check_stop(should_stop: ShouldStop) -> None:
    """Raise `Stopped` where a stop is wanted."""
    if should_stop():
        raise Stopped
