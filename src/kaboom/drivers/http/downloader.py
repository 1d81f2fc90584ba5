"""Downloads of files in blocks, as they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from kaboom.drivers.http.curl import UNSENDABLE, Head, explain, new_handle, pycurl, set_headers
from kaboom.drivers.http.reply import Reply

#: Takes a block of a file; an exception ends the download.
type Sink = Callable[[bytes], Awaitable[None]]

#: The largest block, and the most bytes that wait for the sink, so that a file of any size needs little memory.
_BLOCK_BYTES = 256 << 10
#: Ask for the file as it is stored, without compression on the way.
_IDENTITY = {"Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class HttpDownloader:
    """Gets files from addresses that a trusted server gave: no key, no cookie, no proxy, no redirect.

    Attributes:
        timeout_s: seconds for a whole file.
        stall_s: seconds without a byte after which the download fails.

    """

    timeout_s: float = 900.0
    stall_s: float = 30.0

    async def stream(self, url: str, sink: Sink) -> Reply:
        """Pass the body of a 200 to `sink` in blocks as they arrive; a compressed file stays compressed.

        A failure of the server is in the reply. An exception of `sink`, which must not be an OSError, is raised. The
        body of any other status is not read, since storage hosts quote the signature of the address in it.
        """
        async with pycurl.AsyncCurlMulti() as transfers:
            curl, head = new_handle(), Head(wants_body=lambda status: status == HTTPStatus.OK)
            flow = _Flow(curl)
            try:
                _prepare(curl, url)
            except ValueError:
                return Reply(None, failure=UNSENDABLE)
            curl.setopt(pycurl.HEADERFUNCTION, head.take)
            curl.setopt(pycurl.WRITEFUNCTION, flow.take)
            transfer = transfers.add_handle(curl)
            transfer.add_done_callback(flow.end)
            try:
                async with asyncio.timeout(self.timeout_s):
                    while block := await flow.next_block(self.stall_s):
                        await sink(block)
                    await transfer
            except TimeoutError:
                return Reply(None, failure=f"no byte within {self.stall_s:g} s, or no end within {self.timeout_s:g} s")
            except pycurl.error as e:
                if not head.has_stopped:
                    return Reply(None, failure=explain(curl, e, timeout_s=self.timeout_s))
            return head.reply()


class _Flow:
    """Blocks between libcurl and the sink; libcurl pauses while enough of them wait."""

    def __init__(self, curl: pycurl.Curl) -> None:
        self._curl = curl
        self._blocks: list[bytes] = []
        self._size = 0
        self._is_paused = self._is_over = False
        self._changed = asyncio.Event()

    def take(self, block: bytes) -> int:
        """Take a block from libcurl, which offers it again after a pause."""
        if self._size and self._size + len(block) > _BLOCK_BYTES:
            self._is_paused = True
            return pycurl.WRITEFUNC_PAUSE
        self._blocks.append(block)
        self._size += len(block)
        self._changed.set()
        return len(block)

    def end(self, transfer: asyncio.Future[pycurl.Curl]) -> None:
        """Note that no more blocks will come."""
        if not transfer.cancelled():
            transfer.exception()  # asyncio would log an exception that is never retrieved
        self._is_over = True
        self._changed.set()

    async def next_block(self, within_s: float) -> bytes:
        """Wait for bytes and return all that have arrived; b"" at the end."""
        if not self._blocks and not self._is_over:
            self._changed.clear()
            async with asyncio.timeout(within_s):
                await self._changed.wait()
        block = b"".join(self._blocks)
        self._blocks.clear()
        self._size = 0
        if self._is_paused and not self._is_over:
            self._is_paused = False
            self._curl.pause(pycurl.PAUSE_CONT)
        return block


def _prepare(curl: pycurl.Curl, url: str) -> None:
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError
    parts = urlsplit(url)
    curl.setopt(pycurl.URL, url)
    # The signature covers the address as it is written; libcurl would rewrite the escapes of its path.
    curl.setopt(pycurl.REQUEST_TARGET, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
    set_headers(curl, _IDENTITY)
