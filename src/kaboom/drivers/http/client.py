"""Requests to one server that the operator has named, many at once for little CPU."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import quote, urlencode

from isal import isal_zlib

from kaboom.drivers.http.curl import BROKEN_HEAD, STOP, UNSENDABLE, explain, new_handle, pycurl, set_headers
from kaboom.drivers.http.reply import Reply, read_head
from kaboom.drivers.open_sessions import note_closed, note_open
from kaboom.drivers.stop import is_being_cancelled

#: The `Accept-Encoding` that clients must send: `read_body` decodes no other encoding.
ACCEPTED_ENCODING = "gzip"

_GZIP = frozenset({"gzip", "x-gzip"})
_MAGIC = b"\x1f\x8b"
#: zlib's number for a gzip header and trailer: the CRC and the length at the end are checked.
_GZIP_BITS = 31
#: Media types whose truncated bodies cannot be parsed, so they need no length. (InfluxDB's JSON lines say `partial`
#: until the last.)
_ENDS_BY_ITSELF = ("application/json", "application/vnd.apache.parquet")
_BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class BrokenBody(Exception):
    """A body that is not whole or cannot be decoded; the message holds no byte of it."""


def read_body(status: int, headers: Mapping[str, str], packed: bytes, most_bytes: int) -> bytes:
    """Return the decoded body of an answer whose framing (Content-Length or chunks) was found to be whole.

    `headers` must find names in any case. A body that ends with the connection may be cut short. It is accepted if it
    is gzip, JSON or Parquet, whose readers notice a missing end, or if it is the text of an error.

    Raises:
        BrokenBody: the encoding is not gzip, the gzip is damaged or cut short, the decoded body is longer than
            `most_bytes`, or the end of the body is unknown.

    """
    is_framed = "Content-Length" in headers or "chunked" in headers.get("Transfer-Encoding", "").lower()
    if status in _BODILESS or (is_framed and not packed):
        return b""
    encodings = [name.strip() for name in headers.get("Content-Encoding", "").lower().split(",")]
    match [name for name in encodings if name not in {"", "identity"}]:
        case []:
            if is_framed or status >= HTTPStatus.BAD_REQUEST or (packed and _ends_by_itself(headers)):
                return packed
            raise BrokenBody("the answer had no length, so it may be cut short")
        case [name] if name in _GZIP:
            return gunzip(packed, most_bytes)
        case others:
            raise BrokenBody(f"the answer was encoded as {', '.join(others)[:40]!r}, expected gzip or no encoding")


def gunzip(packed: bytes, most_bytes: int) -> bytes:
    """Return the decompressed content of a gzip of one or more members.

    Raises:
        BrokenBody: the gzip is damaged or cut short, other bytes follow it, or it holds more than `most_bytes`.

    """
    parts, left = list[bytes](), most_bytes
    while packed or not parts:
        if parts and not packed.startswith(_MAGIC):
            raise BrokenBody(f"the answer had {len(packed):,} bytes after its gzip")
        member = isal_zlib.decompressobj(wbits=_GZIP_BITS)
        try:
            parts.append(member.decompress(packed, left + 1))
        except isal_zlib.error as e:  # type: ignore[misc]  # its stubs call it a value
            raise BrokenBody("the answer's gzip was damaged") from e
        left -= len(parts[-1])
        if left < 0:
            raise BrokenBody(f"the answer was longer than {most_bytes:,} bytes")
        if not member.eof:
            raise BrokenBody("the answer's gzip was cut short")
        packed = member.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _ends_by_itself(headers: Mapping[str, str]) -> bool:
    return headers.get("Content-Type", "").partition(";")[0].strip().lower() in _ENDS_BY_ITSELF


#: The most bytes that are read at once.
_BLOCK_BYTES = 128 << 10
# libcurl is not asked to decode: it accepts half a gzip as a whole one (docs/decisions/0045).
_ACCEPT = {"Accept-Encoding": ACCEPTED_ENCODING}


class HttpClient:
    """Talks to one server that the operator has named, over kept connections: no redirect, no proxy, no cookie.

    Nothing is opened before the first request, so a client made before a fork works in both processes. It belongs to
    the event loop of that request until `close`; the next request opens it again.

    If a kept connection was closed before the answer began, libcurl sends the request once more on a new one: a post,
    too, so the server must accept the same post twice.
    """

    def __init__(
        self, base_url: str, *, timeout_s: float = 60.0, max_bytes: int = 512 << 20, connections: int = 8
    ) -> None:
        """Take the server's address, the seconds for a whole request, the most bytes of an answer, and connections."""
        self._base_url = base_url
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._connections = connections
        self._transfers: pycurl.AsyncCurlMulti | None = None
        self._idle: list[pycurl.Curl] = []

    async def get(self, path: str, *, params: Mapping[str, str], headers: Mapping[str, str]) -> Reply:
        """Get a path and return the whole answer; a failure of the server is in the reply, not raised."""
        return await self._request(path, params, headers, None)

    async def post(self, path: str, body: bytes, *, params: Mapping[str, str], headers: Mapping[str, str]) -> Reply:
        """Post a body whose type a header says, and return the whole answer; a failure is in the reply, not raised."""
        return await self._request(path, params, headers, body)

    async def close(self) -> None:
        """Release the connections; running requests end as failures."""
        transfers, self._transfers, self._idle = self._transfers, None, []
        note_closed(self)
        if transfers is not None:
            await transfers.aclose()

    async def _request(
        self, path: str, params: Mapping[str, str], headers: Mapping[str, str], body: bytes | None
    ) -> Reply:
        transfers, idle = self._open(), self._idle
        curl = idle.pop() if idle else self._make()
        received = _Received(self._max_bytes)
        try:
            self._prepare(curl, path, params, headers)
            curl.setopt(*((pycurl.HTTPGET, 1) if body is None else (pycurl.POSTFIELDS, body)))
            received.attach(curl)
            await transfers.perform(curl)
        except ValueError:
            return Reply(None, failure=UNSENDABLE)
        except pycurl.error as e:
            if received.is_too_long:
                return Reply(None, failure=f"the answer was longer than {self._max_bytes:,} bytes")
            return Reply(None, failure=explain(curl, e, timeout_s=self._timeout_s))
        except asyncio.CancelledError:
            if transfers.closed and not is_being_cancelled():
                return Reply(None, failure="the connection was closed here")
            raise
        idle.append(curl)
        return received.reply(curl)

    def _open(self) -> pycurl.AsyncCurlMulti:
        if self._transfers is None:
            self._transfers = pycurl.AsyncCurlMulti()
            note_open(self)
            self._transfers.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, self._connections)
        return self._transfers

    def _make(self) -> pycurl.Curl:
        curl = new_handle()
        curl.setopt(pycurl.TIMEOUT_MS, round(self._timeout_s * 1000))
        curl.setopt(pycurl.BUFFERSIZE, _BLOCK_BYTES)
        return curl

    def _prepare(self, curl: pycurl.Curl, path: str, params: Mapping[str, str], headers: Mapping[str, str]) -> None:
        curl.setopt(pycurl.URL, f"{self._base_url}{quote(path, safe='/:%')}{_build_query(tuple(params.items()))}")
        set_headers(curl, {**headers, **_ACCEPT})


class _Received:
    """The part of an answer that has arrived."""

    __slots__ = ("_blocks", "_left", "_lines", "_max_bytes")

    def __init__(self, max_bytes: int) -> None:
        self._left = self._max_bytes = max_bytes
        self._blocks: list[bytes] = []
        self._lines: list[bytes] = []

    @property
    def is_too_long(self) -> bool:
        return self._left < 0

    def attach(self, curl: pycurl.Curl) -> None:
        curl.setopt(pycurl.WRITEFUNCTION, self._take)
        curl.setopt(pycurl.HEADERFUNCTION, self._lines.append)

    def _take(self, block: bytes) -> int:
        self._left -= len(block)
        if self._left < 0:
            return STOP
        self._blocks.append(block)
        return len(block)

    def reply(self, curl: pycurl.Curl) -> Reply:
        status, (headers, is_complete) = curl.getinfo(pycurl.RESPONSE_CODE), read_head(self._lines)
        packed = b"".join(self._blocks)
        self._blocks.clear()  # an idle handle would hold them until its next request
        if not is_complete:
            return Reply(None, failure=BROKEN_HEAD)
        try:
            return Reply(status, headers, read_body(status, headers, packed, self._max_bytes))
        except BrokenBody as e:
            return Reply(None, failure=str(e))


@lru_cache(maxsize=16)
def _build_query(params: tuple[tuple[str, str], ...]) -> str:
    """Build a query; cached, since a market's symbols share it and encoding it takes a tenth of a request."""
    return f"?{urlencode(params)}" if params else ""
