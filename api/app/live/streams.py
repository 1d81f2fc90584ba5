"""Limits the open streams of each caller, in one process."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from app.caller_errors import TooManyStreams

#: The media type in the `Accept` header of a request for a stream, and in the answer.
EVENT_STREAM = "text/event-stream"
_LATER_S = 5.0


class StreamSlots:
    """Counts the open streams of each caller."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[str] = Counter()

    def is_full(self, caller: str) -> bool:
        """Return whether a caller has reached its limit."""
        return self._taken[caller] >= self._most

    @contextmanager
    def take(self, caller: str) -> Iterator[None]:
        """Count one stream of a caller while the body of a `with` runs.

        Raises:
            TooManyStreams: the caller has reached its limit.

        """
        if self.is_full(caller):
            raise TooManyStreams(
                f"{self._most} streams and waits are open, which is the limit of a caller", retry_after_s=_LATER_S
            )
        self._taken[caller] += 1
        try:
            yield
        finally:
            self._taken[caller] -= 1
