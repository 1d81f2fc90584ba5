"""A TCP proxy on loopback that passes, delays, loses or refuses what goes through it."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from enum import StrEnum

#: A closed socket with this option sends RST: its peer learns at once, and no port waits.
_RESET = struct.pack("ii", 1, 0)


class Mode(StrEnum):
    """What becomes of bytes and of new connections."""

    PASS = "pass"
    REFUSE = "refuse"  # nobody listens
    BLACK_HOLE = "black_hole"  # connections open, and no byte arrives either way


class Link:
    """One connection through the proxy."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        #: Half-open: either side believes in it, and nothing goes through any more.
        self.is_stranded = False
        self.loses_answer = False

    def cut(self) -> None:
        """Reset both sides."""
        for writer in (self.client, self.server):
            raw = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


class FaultProxy:
    """Listens on a free port of loopback and connects to another; runs in a thread of its own."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.mode = Mode.PASS
        self.delay_s = 0.0
        #: A request that holds these bytes is carried out; its answer never comes, and the connection is reset.
        self.swallows: bytes | None = None
        self.swallowed = 0
        self._links: set[Link] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._thread.start()
        self._run(self._listen())

    def refuse(self) -> None:
        """Listen no more and cut every connection, as when the server's process is gone."""
        self.mode = Mode.REFUSE
        self._run(self._unlisten())
        self.cut()

    def hold(self) -> None:
        """Pass no byte on, in either direction, on old and new connections."""
        self.mode = Mode.BLACK_HOLE

    def strand(self) -> int:
        """Make today's connections half-open for ever, and let new ones through; return how many there were."""
        return self._run(self._strand())

    def cut(self) -> None:
        """Reset every connection."""
        self._run(self._cut())

    def heal(self) -> None:
        """Pass everything again; what was stranded stays so until its owner gives up."""
        self.delay_s, self.swallows = 0.0, None
        was, self.mode = self.mode, Mode.PASS
        if was is Mode.BLACK_HOLE:
            # The bytes held back are gone, as after a partition: only a new connection is a sound one.
            self.cut()
        self._run(self._listen())

    def close(self) -> None:
        """End the proxy and its thread."""
        self._run(self._unlisten())
        self.cut()
        self._run(_cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _run[T](self, work: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _unlisten(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _strand(self) -> int:
        for link in self._links:
            link.is_stranded = True
        return len(self._links)

    async def _cut(self) -> None:
        for link in self._links:
            link.cut()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        link = Link(writer, back)
        self._links.add(link)
        try:
            pumps = (self._requests(link, reader), self._answers(link, there))
            await asyncio.wait([asyncio.create_task(p) for p in pumps], return_when=asyncio.FIRST_COMPLETED)
            if link.is_stranded:
                # Neither side hears of the other's end.
                await asyncio.Event().wait()
        finally:
            self._links.discard(link)
            link.cut()

    async def _requests(self, link: Link, reader: asyncio.StreamReader) -> None:
        while data := await _read(reader):
            if self.swallows is not None and self.swallows in data:
                self.swallows, link.loses_answer = None, True
                self.swallowed += 1
            await self._pass(link, link.server, data)

    async def _answers(self, link: Link, reader: asyncio.StreamReader) -> None:
        while data := await _read(reader):
            if link.loses_answer:
                return
            await self._pass(link, link.client, data)

    async def _pass(self, link: Link, writer: asyncio.StreamWriter, data: bytes) -> None:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if link.is_stranded or self.mode is Mode.BLACK_HOLE:
            return
        writer.write(data)
        with contextlib.suppress(OSError):
            await writer.drain()


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(65536)
    except OSError:
        return b""


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=5)
