"""The clock as a function, so that tests can pass another one."""

from collections.abc import Callable
from datetime import UTC, datetime

#: Returns the current time, aware UTC.
type Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the current time, aware UTC."""
    return datetime.now(UTC)
