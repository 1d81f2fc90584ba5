"""Requests to one server that the operator has named, many at once for little CPU."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote, urlencode

from kaboom.drivers.http.body import ACCEPTED_ENCODING, BrokenBody, read_body
from kaboom.drivers.http.curl import BROKEN_HEAD, STOP, UNSENDABLE, explain, new_handle, pycurl, set_headers
from kaboom.drivers.http.reply import Reply, read_head
from kaboom.drivers.open_sessions import note_closed, note_open
from kaboom.drivers.stop import is_being_cancelled

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
