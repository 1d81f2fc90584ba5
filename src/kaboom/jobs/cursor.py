"""Opaque signed cursors of lists: a cursor holds the place of the last item already seen, and is valid for one list."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import orjson
from pydantic import AwareDatetime, TypeAdapter

from kaboom.jobs.model import Job
from kaboom.web.caller_errors import BadCursor

_NOT_OURS = "cursor was not one that this API gave out for this list: take next_cursor of the page before"
#: The first bytes of the 32 of an HMAC-SHA256: 128 bits cannot be guessed, and keep URLs short.
_MAC_BYTES = 16
_JOB_PLACE = TypeAdapter(tuple[AwareDatetime, str])


class CursorSigner:
    """Signs cursors, and accepts only cursors that it has signed for the same list."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"kaboom list cursor 2", hashlib.sha256)

    def encode(self, job: Job, scope: Sequence[object]) -> str:
        """Return the cursor of the page after a job; `scope` identifies the list: queues, owner and filters."""
        return self.encode_place([job.requested_at.isoformat() if job.requested_at else "", job.job_id], scope)

    def decode(self, text: str, scope: Sequence[object]) -> tuple[datetime, str]:
        """Return the place of a cursor of jobs.

        Raises:
            BadCursor: the cursor was not signed by Kaboom, or is of another list.

        """
        at, job_id = self.decode_place(text, scope, _JOB_PLACE)
        return at, job_id

    def encode_place(self, place: Sequence[object], scope: Sequence[object]) -> str:
        """Return the cursor of the page after a place, the sort key of an item; `scope` identifies the list."""
        content = orjson.dumps(list(place))
        return base64.urlsafe_b64encode(self._sign(content, scope) + content).decode().rstrip("=")

    def decode_place(self, text: str, scope: Sequence[object], shape: TypeAdapter[Any]) -> list[Any]:
        """Return the place of a cursor; `shape` is that of a tuple.

        Raises:
            BadCursor: the cursor was not signed by Kaboom, or is of another list or shape.

        """
        try:
            signed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as e:
            raise BadCursor(_NOT_OURS) from e
        mark, content = signed[:_MAC_BYTES], signed[_MAC_BYTES:]
        if not hmac.compare_digest(mark, self._sign(content, scope)):
            raise BadCursor(_NOT_OURS)
        try:
            return list(shape.validate_json(content, strict=True))
        except ValueError as e:
            # Another release of Kaboom signed it.
            raise BadCursor(_NOT_OURS) from e

    def _sign(self, place: bytes, scope: Sequence[object]) -> bytes:
        bound = orjson.dumps([place.decode("latin-1"), *scope])
        return hmac.digest(self._key, bound, hashlib.sha256)[:_MAC_BYTES]


class Cursors:
    """The signer of this process; its key is loaded once, at the first cursor."""

    def __init__(self, load_key: Callable[[], Awaitable[bytes]]) -> None:
        self._load_key = load_key
        self._signer: CursorSigner | None = None

    async def signer(self) -> CursorSigner:
        """Return the signer.

        Raises:
            StoreError: the ledger, which keeps the key, is unavailable.

        """
        if self._signer is None:
            self._signer = CursorSigner(await self._load_key())
        return self._signer
