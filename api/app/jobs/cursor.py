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
    """Gives out cursors, and takes back only its own, for the list that they were given out for.

    A cursor has a mark of each secret, and one that fits is enough: while secrets change, processes that have only one
    of them in common take each other's cursors.
    """

    def __init__(self, *secrets: str) -> None:
        # Keys for this one purpose: whoever broke a cursor's would still not know the secret.
        self._keys = [hmac.digest(each.encode(), b"kaboom job list cursor 1", hashlib.sha256) for each in secrets]

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
        first, *others = self._sign(told, scope)
        return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (first + told, *others))

    def decode_place(self, text: str, scope: Sequence[object]) -> list[Any]:
        """Return the place that a cursor names.

        Raises:
            InvalidRequest: it is not one of ours, or of another list.

        """
        try:
            content, *others = [_decode_part(part) for part in text.split(".")]
        except (binascii.Error, ValueError) as e:
            raise InvalidRequest(_NOT_OURS) from e
        told, marks = content[_MAC_BYTES:], [content[:_MAC_BYTES], *others]
        if not any(hmac.compare_digest(mark, ours) for ours in self._sign(told, scope) for mark in marks):
            raise InvalidRequest(_NOT_OURS)
        place: list[Any] = orjson.loads(told)
        return place

    def _sign(self, place: bytes, scope: Sequence[object]) -> list[bytes]:
        bound = orjson.dumps([place.decode("latin-1"), *scope])
        return [hmac.digest(key, bound, hashlib.sha256)[:_MAC_BYTES] for key in self._keys]


def _decode_part(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
