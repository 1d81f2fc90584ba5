"""Opaque signed cursors over lists: the place of the last item already seen, in one list only."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from app.jobs.model import Job
from batch.errors import InvalidRequest

_NOT_OURS = "cursor was not one that this API gave out for this list: take next_cursor of the page before"
#: Of the 32 bytes that HMAC-SHA256 gives; 128 bits cannot be guessed, and keep a URL short.
_MAC_BYTES = 16


class CursorSigner:
    """Gives out cursors, and takes back only its own, for the list that they were given out for."""

    def __init__(self, secret: str) -> None:
        # A key for this one purpose: whoever broke a cursor's would still not know the secret.
        self._key = hmac.digest(secret.encode(), b"kaboom job list cursor 1", hashlib.sha256)

    def encode(self, job: Job, scope: Sequence[object]) -> str:
        """Return the cursor of the page after a job; `scope` is what makes its list: queue, owner and filters."""
        return self.encode_place([job.requested_at.isoformat() if job.requested_at else "", job.job_id], scope)

    def decode(self, text: str, scope: Sequence[object]) -> tuple[datetime, str]:
        """Return the place that the cursor of a job names.

        Raises:
            InvalidRequest: it is not one of ours, or of another list.

        """
        at, job_id = self.decode_place(text, scope)
        return datetime.fromisoformat(at), job_id

    def encode_place(self, place: Sequence[object], scope: Sequence[object]) -> str:
        """Return the cursor of the page after a place, which is what its list is sorted by; `scope` makes the list."""
        told = orjson.dumps(list(place))
        return base64.urlsafe_b64encode(self._sign(told, scope) + told).decode().rstrip("=")

    def decode_place(self, text: str, scope: Sequence[object]) -> list[Any]:
        """Return the place that a cursor names.

        Raises:
            InvalidRequest: it is not one of ours, or of another list.

        """
        try:
            content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as e:
            raise InvalidRequest(_NOT_OURS) from e
        mac, told = content[:_MAC_BYTES], content[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._sign(told, scope)):
            raise InvalidRequest(_NOT_OURS)
        place: list[Any] = orjson.loads(told)
        return place

    def _sign(self, place: bytes, scope: Sequence[object]) -> bytes:
        bound = orjson.dumps([place.decode("latin-1"), *scope])
        return hmac.digest(self._key, bound, hashlib.sha256)[:_MAC_BYTES]
