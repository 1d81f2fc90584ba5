"""A small HTTP/1.1 client that keeps connections busy for a tenth of the CPU that a general one takes."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import uvloop

_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to send, and the status that its answer must have."""

    raw: bytes
    status: int = 200


@dataclass(frozen=True, slots=True)
class Load:
    """What some requests took: wall seconds of all, milliseconds of each, and until its first byte; both sorted."""

    wall_s: float
    latencies_ms: list[float]
    first_bytes_ms: list[float]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies_ms) / self.wall_s

    def quantile_ms(self, fraction: float) -> float:
        """Return the latency that this fraction of the requests kept."""
        return self.latencies_ms[min(int(len(self.latencies_ms) * fraction), len(self.latencies_ms) - 1)]


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last one is there."""

    def __init__(self, requests: Iterator[Request], load: Load) -> None:
        self._requests = requests
        self._load = load
        self._buffer = bytearray()
        self._length: int | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # of TCP it is one
        self._send()

    def data_received(self, data: bytes) -> None:
        if not self._buffer:
            self._load.first_bytes_ms.append((time.perf_counter() - self._sent_at) * 1000)
        self._buffer += data
        if self._length is None and (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            self._length = end + 4 + _content_length(bytes(self._buffer[:end]))
        if self._length is None or len(self._buffer) < self._length:
            return
        self._load.latencies_ms.append((time.perf_counter() - self._sent_at) * 1000)
        if int(self._buffer[9:12]) != self._expected:
            self._end(RuntimeError(f"expected {self._expected}, got {bytes(self._buffer[:2000])!r}"))
            return
        self._buffer.clear()
        self._length = None
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or RuntimeError("the server closed the connection"))

    def _send(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._end(None)
            return
        self._expected = request.status
        self._sent_at = time.perf_counter()
        self._transport.write(request.raw)

    def _end(self, error: Exception | None) -> None:
        if self.ended.done():
            return
        if error:
            self.ended.set_exception(error)
        else:
            self.ended.set_result(None)
        self._transport.close()


def build_request(method: str, target: str, *, token: str, body: bytes = b"", accept: str = "*/*") -> bytes:
    """Return the bytes of one request."""
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", f"Accept: {accept}", f"x-ingest-token: {token}"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def run_load(port: int, requests: Iterator[Request], *, connections: int) -> Load:
    """Send requests to a loopback port, each connection one after another, until none is left.

    Raises:
        RuntimeError: an answer had another status than expected.

    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(port, requests, connections))


async def _run(port: int, requests: Iterator[Request], connections: int) -> Load:
    load = Load(0.0, [], [])
    loop = asyncio.get_running_loop()
    make: Callable[[], _Connection] = lambda: _Connection(requests, load)  # noqa: E731  one line, used below
    begun_at = time.perf_counter()
    made = [await loop.create_connection(make, "127.0.0.1", port) for _ in range(connections)]
    async with asyncio.timeout(_PATIENCE_S):
        await asyncio.gather(*(connection.ended for _, connection in made))
    return Load(time.perf_counter() - begun_at, sorted(load.latencies_ms), sorted(load.first_bytes_ms))


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0
