"""Limits the open streams of each caller and of each owner, in one process."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from kaboom.web.auth.principals import Principal, is_privileged
from kaboom.web.caller_errors import TooManyStreams

#: The media type in the `Accept` header of a request for a stream, and in the answer.
EVENT_STREAM = "text/event-stream"
_LATER_S = 5.0


class StreamSlots:
    """Counts open streams: an owner may have `most`, one caller half of them.

    A quarter is kept for admins and INGEST_API_TOKEN, so other callers cannot use up all.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_of_one = (most + 1) // 2
        self._most_of_others = most - most // 4
        self._taken: Counter[tuple[str, str]] = Counter()

    def is_full(self, caller: Principal) -> bool:
        """Return whether a caller can open no more streams."""
        return bool(self._find_refusal(caller))

    @contextmanager
    def take(self, caller: Principal) -> Iterator[None]:
        """Count one stream of a caller while the body of a `with` runs.

        Raises:
            TooManyStreams: the caller, or its owner, has reached its limit.

        """
        if refusal := self._find_refusal(caller):
            raise TooManyStreams(refusal, retry_after_s=_LATER_S)
        counted = _keys_of(caller)
        self._taken.update(counted)
        try:
            yield
        finally:
            for key in counted:
                self._taken[key] -= 1
                if not self._taken[key]:
                    del self._taken[key]

    def _find_refusal(self, caller: Principal) -> str:
        bounds = (
            (self._most_of_one, "streams and waits are open, which is the limit of a caller"),
            (self._most, "streams and waits are open, which is the limit of an owner"),
            (
                self._most_of_others,
                "streams and waits are open, which is the limit of the callers of an owner who are not admins",
            ),
        )
        for key, (most, why) in zip(_keys_of(caller), bounds, strict=False):
            if self._taken[key] >= most:
                return f"{most} {why}"
        return ""


def _keys_of(caller: Principal) -> list[tuple[str, str]]:
    """Return what a stream counts for: the caller, its owner and, unless privileged, all others of the owner."""
    keys = [(caller.owner, f"caller {caller.subject}"), (caller.owner, "all")]
    return keys if is_privileged(caller) else [*keys, (caller.owner, "others")]
