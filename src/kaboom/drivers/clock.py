"""The clock as a function, so that tests can pass another one; and times in milliseconds."""

from collections.abc import Callable
from datetime import UTC, datetime

#: Returns the current time, aware UTC.
type Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the current time, aware UTC."""
    return datetime.now(UTC)


def to_ms(at: datetime) -> int:
    """Return a time as milliseconds since 1970."""
    return round(at.timestamp() * 1000)


def from_ms(text: str | float) -> datetime:
    """Return milliseconds since 1970 as an aware UTC time."""
    return datetime.fromtimestamp(float(text) / 1000, tz=UTC)
