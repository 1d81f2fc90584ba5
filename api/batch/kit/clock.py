"""The time of day, as a function that callers are given, so that tests can give another."""

from collections.abc import Callable
from datetime import UTC, datetime

#: Returns the present as an aware UTC time.
type Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the present, aware UTC."""
    return datetime.now(UTC)
