"""The home of libcurl: requests to one server that the operator has named, many at once for little CPU."""

import asyncio
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from types import MappingProxyType
from urllib.parse import quote, urlencode

import certifi
import pycurl
from multidict import CIMultiDict

from batch.kit.http.body import ACCEPTED_ENCODING, BrokenBody, read_body
from batch.kit.open_sessions import note_closed, note_open

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_CONNECT_S = 5.0
#: What is read at once, at most.
_BLOCK_BYTES = 128 << 10
#: What a body is said to be by who does not say it.
_BYTES = {"Content-Type": "application/octet-stream"}

#: Ends the headers of an answer.
_BLANK = frozenset({b"\r\n", b"\n"})


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server of the operator's answered: a status, headers and a body, or a `failure` in words and no status."""

    status: int | None
    headers: Mapping[str, str] = _NO_HEADERS
    body: bytes = field(default=b"", repr=False)
    failure: str = ""


class HttpClient:
    """Talks to one server that the operator has named, over kept connections: no redirect, no proxy, no cookie.

    Nothing is opened before the first request, so a client made before a fork works in both processes. It lives
    on the event loop of that request until `close`; after that another request opens it anew.

    Where a kept connection turns out to be closed before a word has come, a request goes out once more, on a new one:
    a post, too, so what is posted must bear to come twice.
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
        """Get a path and return the whole answer; never raises for what the server does."""
        return await self._ask(path, params, headers, None)

    async def post(self, path: str, body: bytes, *, params: Mapping[str, str], headers: Mapping[str, str]) -> Reply:
        """Post a body and return the whole answer; never raises for what the server does."""
        return await self._ask(path, params, {**_BYTES, **headers}, body)

    async def close(self) -> None:
        """Release the connections; requests under way end as failures."""
        transfers, self._transfers, self._idle = self._transfers, None, []
        note_closed(self)
        if transfers is not None:
            await transfers.aclose()

    async def _ask(self, path: str, params: Mapping[str, str], headers: Mapping[str, str], body: bytes | None) -> Reply:
        transfers, idle = self._open(), self._idle
        curl = idle.pop() if idle else self._make()
        heard = _Heard(self._max_bytes)
        try:
            self._prepare(curl, path, params, headers)
            curl.setopt(*((pycurl.HTTPGET, 1) if body is None else (pycurl.POSTFIELDS, body)))
            heard.listen(curl)
            await transfers.perform(curl)
        except ValueError:
            return Reply(None, failure="the address or a header has characters that cannot be sent")
        except pycurl.error as e:
            if heard.is_too_long:
                return Reply(None, failure=f"the answer was longer than {self._max_bytes:,} bytes")
            return Reply(None, failure=self._explain(curl, *e.args))
        except asyncio.CancelledError:
            if transfers.closed and not _is_cancelled():
                return Reply(None, failure="the connection was closed here")
            raise
        idle.append(curl)
        return heard.reply(curl)

    def _open(self) -> pycurl.AsyncCurlMulti:
        if self._transfers is None:
            self._transfers = pycurl.AsyncCurlMulti()
            note_open(self)
            self._transfers.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, self._connections)
        return self._transfers

    def _make(self) -> pycurl.Curl:
        curl = pycurl.Curl()
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.PROXY, "")  # not even that of the environment
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.TIMEOUT_MS, round(self._timeout_s * 1000))
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, round(_CONNECT_S * 1000))
        curl.setopt(pycurl.BUFFERSIZE, _BLOCK_BYTES)
        for option, place in _find_authorities().items():
            curl.setopt(option, place)
        return curl

    def _prepare(self, curl: pycurl.Curl, path: str, params: Mapping[str, str], headers: Mapping[str, str]) -> None:
        curl.setopt(pycurl.URL, f"{self._base_url}{quote(path, safe='/:%')}{_build_query(tuple(params.items()))}")
        lines = [f"{name}: {value}" for name, value in headers.items()]
        if any("\n" in line or "\r" in line for line in lines):
            raise ValueError
        # Without the last a large body would wait for the server's leave to be sent. libcurl is not asked to decode: it
        # takes half a gzip for a whole one (docs/decisions/0045).
        curl.setopt(pycurl.HTTPHEADER, [*lines, f"Accept-Encoding: {ACCEPTED_ENCODING}", "Expect:"])

    def _explain(self, curl: pycurl.Curl, code: int, words: str) -> str:
        """Return what went wrong in words that hold nothing of the request, which may have a key in it."""
        match code:
            case pycurl.E_OPERATION_TIMEDOUT if curl.getinfo(pycurl.TOTAL_TIME) < self._timeout_s - 0.01:
                why = f"could not connect within {_CONNECT_S:g} s"
            case pycurl.E_OPERATION_TIMEDOUT:
                why = f"no answer within {self._timeout_s:g} s"
            case pycurl.E_COULDNT_CONNECT:
                number = curl.getinfo(pycurl.OS_ERRNO)
                why = f"could not connect: {os.strerror(number) if number else words}"
            case pycurl.E_COULDNT_RESOLVE_HOST:
                why = "could not connect: its name was not found"
            case pycurl.E_PEER_FAILED_VERIFICATION:
                why = f"the certificate was refused: {words.rpartition(': ')[2]}"
            case pycurl.E_SSL_CONNECT_ERROR:
                why = "TLS could not be agreed on"
            case _:
                why = f"the connection broke: {words}"
        return why


class _Heard:
    """What has come of an answer."""

    __slots__ = ("_blocks", "_left", "_lines", "_max_bytes")

    def __init__(self, max_bytes: int) -> None:
        self._left = self._max_bytes = max_bytes
        self._blocks: list[bytes] = []
        self._lines: list[bytes] = []

    @property
    def is_too_long(self) -> bool:
        return self._left < 0

    def listen(self, curl: pycurl.Curl) -> None:
        curl.setopt(pycurl.WRITEFUNCTION, self._take)
        curl.setopt(pycurl.HEADERFUNCTION, self._lines.append)

    def _take(self, block: bytes) -> int:
        self._left -= len(block)
        if self._left < 0:
            return -1  # which ends it
        self._blocks.append(block)
        return len(block)

    def reply(self, curl: pycurl.Curl) -> Reply:
        status, (headers, is_whole) = curl.getinfo(pycurl.RESPONSE_CODE), self._read_headers()
        packed = b"".join(self._blocks)
        self._blocks.clear()  # an idle handle would hold them until its next request
        if not is_whole:
            return Reply(None, failure="the connection broke in the headers of the answer")
        try:
            return Reply(status, headers, read_body(status, headers, packed, self._max_bytes))
        except BrokenBody as e:
            return Reply(None, failure=str(e))

    def _read_headers(self) -> tuple[CIMultiDict[str], bool]:
        """Return the headers, and whether they ended: libcurl takes an answer that breaks off in them for one."""
        headers, is_whole = CIMultiDict[str](), False
        for line in self._lines:
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                headers.add(name, value.strip())
            elif name.startswith("HTTP/"):
                headers.clear()  # what came before was no answer yet: 100, go on
                is_whole = False
            elif line in _BLANK:
                is_whole = True
        return headers, is_whole


@lru_cache(maxsize=16)
def _build_query(params: tuple[tuple[str, str], ...]) -> str:
    """Remembered: of all symbols of a market the same is asked, and encoding it is a tenth of a request."""
    return f"?{urlencode(params)}" if params else ""


@cache
def _find_authorities() -> Mapping[int, str]:
    """Return where the certificates of authorities lie: where Python looks, so that its variables count here, too."""
    paths = ssl.get_default_verify_paths()
    found = {pycurl.CAINFO: paths.cafile, pycurl.CAPATH: paths.capath}
    return {option: place for option, place in found.items() if place} or {pycurl.CAINFO: certifi.where()}


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
