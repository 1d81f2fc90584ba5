"""The home of aiohttp: requests to strangers' servers, each address judged first, and files as they travel."""

import errno
import functools
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from batch.errors import InvalidRequest
from batch.kit.dns import Lookup, look_up

#: Raises InvalidRequest for an address that must not be connected to.
type AddressJudge = Callable[[str], None]

#: Takes a block of a file; what it raises ends the download.
type Sink = Callable[[bytes], Awaitable[None]]

#: A block is as large as this at most: a file in any size is held in little memory.
_BLOCK_BYTES = 256 << 10

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request: a status and headers, or a `failure` in words and no status."""

    status: int | None
    headers: Mapping[str, str] = _NO_HEADERS
    failure: str = ""


@dataclass(frozen=True, slots=True)
class HttpPoster:
    """Posts to URLs that strangers gave: no redirect, no proxy, no cookie, no kept connection, no body read.

    Attributes:
        lookup: resolves host names.
        timeout_s: seconds for everything together: name, connection, request and the answer's headers.
        tls: what a server's certificate is checked with; the system's authorities where it is None.

    """

    lookup: Lookup = look_up
    timeout_s: float = 15.0
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    async def post(self, url: str, body: bytes, *, headers: Mapping[str, str], judge: AddressJudge) -> Answer:
        """Post a body and return the answer's status and headers; never raises for what a peer does.

        `judge` is asked for every address of the host, and again for the one that a socket is opened for.
        """
        async with self._session(judge) as session:
            try:
                # Encoded already: yarl would normalize a path that was signed as it is.
                request = session.post(URL(url, encoded=True), data=body, headers=headers, allow_redirects=False)
                async with request as answer:
                    return Answer(answer.status, answer.headers)
            except TimeoutError:
                return Answer(None, failure=f"no answer within {self.timeout_s:g} s")
            except (aiohttp.ClientError, OSError, ValueError) as e:
                return Answer(None, failure=_explain(e))

    def _session(self, judge: AddressJudge) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=_JudgingResolver(judge, self.lookup),
            # Before each connection, also to an address in the URL, which no resolver is asked for.
            socket_factory=functools.partial(_open_socket, judge),
            use_dns_cache=False,
            force_close=True,
            ssl=self.tls or True,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self.timeout_s),
            trust_env=False,
            auto_decompress=False,
        )


@dataclass(frozen=True, slots=True)
class HttpDownloader:
    """Gets files from addresses that a trusted server gave, and says nothing of ours: no key, cookie, proxy, redirect.

    Attributes:
        timeout_s: seconds for a whole file.
        stall_s: seconds without a byte after which it is given up.

    """

    timeout_s: float = 900.0
    stall_s: float = 30.0

    async def stream(self, url: str, sink: Sink) -> Answer:
        """Hand the body of a 200 to `sink` in blocks, as it travels: what is compressed stays so.

        Never raises for what the server does, only what `sink` raises, which must be no OSError. The body of any
        other status is left unread: a storage host quotes the signature of an address in it.
        """
        async with self._session() as session:
            try:
                # Encoded already: a signature is over the very text.
                async with session.get(URL(url, encoded=True), allow_redirects=False) as answer:
                    if answer.status == HTTPStatus.OK:
                        async for block in answer.content.iter_chunked(_BLOCK_BYTES):
                            await sink(block)
                    return Answer(answer.status, answer.headers)
            except TimeoutError:
                return Answer(None, failure=f"no byte within {self.stall_s:g} s, or no end within {self.timeout_s:g} s")
            except (aiohttp.ClientError, OSError, ValueError) as e:
                return Answer(None, failure=_explain(e))

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self.timeout_s, sock_connect=5.0, sock_read=self.stall_s),
            headers={"Accept-Encoding": "identity"},
            trust_env=False,
            auto_decompress=False,
        )


class _JudgingResolver(AbstractResolver):
    """Resolves a name to addresses that have all been judged; aiohttp connects to these and to no others."""

    def __init__(self, judge: AddressJudge, lookup: Lookup) -> None:
        self._judge = judge
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = await self._lookup(host, port)
        for address in addresses:
            _judge(self._judge, address)
        return [_result(host, address, port) for address in addresses]

    async def close(self) -> None:
        pass


def _open_socket(judge: AddressJudge, address: Any) -> socket.socket:
    family, kind, protocol, _, place = address
    _judge(judge, str(place[0]))
    return socket.socket(family, kind, protocol)


def _judge(judge: AddressJudge, address: str) -> None:
    try:
        judge(address)
    except InvalidRequest as e:
        # As aiohttp's own failures to connect, which it cleans up after.
        raise PermissionError(errno.EACCES, e.message) from e


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=numeric)


def _explain(error: Exception) -> str:
    """Return what went wrong in words that hold nothing of the URL, which may be signed."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = getattr(error.certificate_error, "verify_message", "") or "it was not valid"
        return f"the certificate was refused: {reason}"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return "TLS could not be agreed on"
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
        reason = cause.strerror or type(cause).__name__
        if reason.startswith("Connect call failed") and cause.errno:
            # asyncio's text names the address and not the reason.
            reason = os.strerror(cause.errno)
        return f"could not connect: {reason}"
    return f"the connection broke: {type(error).__name__}"
