"""Opaque signed cursors over lists: the place of the last item already seen, in one list only."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import orjson

from app.jobs.model import Job
from batch.errors import InvalidRequest

_NOT_OURS = "cursor was not one that this API gave out for this list: take next_cursor of the page before"
#: Of the 32 bytes that HMAC-SHA256 gives; 128 bits cannot be guessed, and keep a URL short.
_MAC_BYTES = 16

#: Reads one value of a place, and raises ValueError, TypeError or OverflowError where it cannot be one.
type Parse = Callable[[Any], Any]


class CursorSigner:
    """Gives out cursors, and takes back only its own, for the list that they were given out for."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"kaboom list cursor 2", hashlib.sha256)

    def encode(self, job: Job, scope: Sequence[object]) -> str:
        """Return the cursor of the page after a job; `scope` is what makes its list: queues, owner and filters."""
        return self.encode_place([job.requested_at.isoformat() if job.requested_at else "", job.job_id], scope)

    def decode(self, text: str, scope: Sequence[object]) -> tuple[datetime, str]:
        """Return the place that the cursor of a job names.

        Raises:
            InvalidRequest: it is not one of ours, or of another list.

        """
        at, job_id = self.decode_place(text, scope, (parse_moment, parse_text))
        return at, job_id

    def encode_place(self, place: Sequence[object], scope: Sequence[object]) -> str:
        """Return the cursor of the page after a place, which is what its list is sorted by; `scope` makes the list."""
        content = orjson.dumps(list(place))
        return base64.urlsafe_b64encode(self._sign(content, scope) + content).decode().rstrip("=")

    def decode_place(self, text: str, scope: Sequence[object], shape: Sequence[Parse]) -> list[Any]:
        """Return the place that a cursor names, each value as its parser in `shape` reads it.

        Raises:
            InvalidRequest: it is not one of ours, of another list, or of another shape.

        """
        try:
            signed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as e:
            raise InvalidRequest(_NOT_OURS) from e
        mark, content = signed[:_MAC_BYTES], signed[_MAC_BYTES:]
        if not hmac.compare_digest(mark, self._sign(content, scope)):
            raise InvalidRequest(_NOT_OURS)
        try:
            place = orjson.loads(content)
            return [parse(value) for parse, value in zip(shape, place, strict=True)]
        except (ValueError, TypeError, OverflowError) as e:
            # Ours, and of another release of Kaboom.
            raise InvalidRequest(_NOT_OURS) from e

    def _sign(self, place: bytes, scope: Sequence[object]) -> bytes:
        bound = orjson.dumps([place.decode("latin-1"), *scope])
        return hmac.digest(self._key, bound, hashlib.sha256)[:_MAC_BYTES]


class Cursors:
    """The signer of this process; its key is loaded once, when a list first needs a cursor."""

    def __init__(self, load_key: Callable[[], Awaitable[bytes]]) -> None:
        self._load_key = load_key
        self._signer: CursorSigner | None = None

    async def signer(self) -> CursorSigner:
        """Return the signer.

        Raises:
            StoreError: the ledger, which keeps the key, cannot be reached.

        """
        if self._signer is None:
            self._signer = CursorSigner(await self._load_key())
        return self._signer


def parse_moment(value: Any) -> datetime:
    """Return an aware time from its ISO text.

    Raises:
        TypeError: it is no text.
        ValueError: it is no time, or has no zone.

    """
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError("expected a time with its zone")
    return found


def parse_text(value: Any) -> str:
    """Return a text.

    Raises:
        TypeError: it is something else.

    """
    if not isinstance(value, str):
        raise TypeError("expected a text")
    return value
