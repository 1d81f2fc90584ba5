"""Two servers of a benchmark, each a process of its own: charts after a fixed wait, and a sink of line protocol.

Usage: python -m benchmarks.rig.peers charts PORT WAIT_S SESSION SYMBOLS   (a file with one symbol a line)
       python -m benchmarks.rig.peers sink PORT

Both speak just enough HTTP/1.1 for a client that keeps its connections and sends one request at a time. `GET /counts`
tells what came since the last one, and begins anew.
"""

import asyncio
import gzip
import json
import random
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import uvloop

from kaboom.market.calendar import minute_grid

_NO_ROWS = b'{"results":[{"statement_id":0}]}'
#: Takes method, target and body of a request; gives the status line's end, and a body.
type Handler = Callable[[bytes, bytes, bytes], tuple[bytes, bytes]]


class Connection(asyncio.Protocol):
    """Answers one request after another, each after a wait."""

    def __init__(self, handle: Handler, wait_s: float) -> None:
        self._handle = handle
        self._wait_s = wait_s
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # of TCP it is one

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if (end := self._buffer.find(b"\r\n\r\n")) < 0:
            return
        head = bytes(self._buffer[:end])
        length = end + 4 + _content_length(head)
        if len(self._buffer) < length:
            return
        method, target, _ = head.split(b"\r\n", 1)[0].split(b" ")
        status, body = self._handle(method, target, bytes(self._buffer[end + 4 : length]))
        del self._buffer[:length]
        answer = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
        wait_s = 0.0 if target == b"/counts" else self._wait_s
        if wait_s:
            asyncio.get_running_loop().call_later(wait_s, self._send, answer + body)
        else:
            self._send(answer + body)

    def _send(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


class Charts:
    """Yahoo's charts of one session, made beforehand; counts requests, and how many were under way at most."""

    def __init__(self, session: date, symbols: list[str], wait_s: float) -> None:
        self._bodies = {symbol: build_chart(symbol, session) for symbol in symbols}
        self._wait_s = wait_s
        self._asked = self._under_way = self._most = 0

    def handle(self, _method: bytes, target: bytes, _body: bytes) -> tuple[bytes, bytes]:
        """Answer a request."""
        if target == b"/counts":
            counts = {"requests": self._asked, "most_under_way": self._most}
            self._asked = self._most = 0
            return b"200 OK", json.dumps(counts).encode()
        self._asked += 1
        self._under_way += 1
        self._most = max(self._most, self._under_way)
        asyncio.get_running_loop().call_later(self._wait_s, self._end)
        return b"200 OK", self._bodies[target.split(b"?")[0].rsplit(b"/", 1)[1].split(b".")[0].decode()]

    def _end(self) -> None:
        self._under_way -= 1


class Sink:
    """An InfluxDB that holds nothing: takes all lines, and finds none. Lines are counted when they are asked for."""

    def __init__(self) -> None:
        self._bodies: list[bytes] = []

    def handle(self, _method: bytes, target: bytes, body: bytes) -> tuple[bytes, bytes]:
        """Answer a request."""
        if target == b"/counts":
            counts = {"lines": 0, "requests": len(self._bodies)}
            for packed in self._bodies:
                text = gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed
                counts["lines"] += sum(line.startswith(b"ohlcv") for line in text.splitlines())
            self._bodies = []
            return b"200 OK", json.dumps(counts).encode()
        if target.startswith(b"/query"):
            return b"200 OK", _NO_ROWS
        self._bodies.append(body)
        return b"204 No Content", b""


def build_chart(symbol: str, session: date) -> bytes:
    """Return a full session of legal minutes of a symbol, as Yahoo says it."""
    draw = random.Random(symbol)
    stamps = list(minute_grid(session))
    closes = [float(draw.randrange(1_200, 2_800))]
    for _ in stamps[1:]:
        closes.append(min(2_900.0, max(1_100.0, closes[-1] + draw.randrange(-2, 3))))
    opens = [closes[0], *closes[:-1]]
    quote: dict[str, list[float | int]] = {
        "open": list(opens),
        "high": [max(pair) + draw.randrange(2) for pair in zip(opens, closes, strict=True)],
        "low": [min(pair) - draw.randrange(2) for pair in zip(opens, closes, strict=True)],
        "close": list(closes),
        "volume": [100 * draw.randrange(1, 400) for _ in stamps],
    }
    meta = {"symbol": f"{symbol}.T", "currency": "JPY", "exchangeTimezoneName": "Asia/Tokyo", "dataGranularity": "1m"}
    result: dict[str, Any] = {"meta": meta, "timestamp": stamps, "indicators": {"quote": [quote]}}
    return json.dumps({"chart": {"result": [result], "error": None}}, separators=(",", ":")).encode()


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


async def _serve(port: int, handle: Handler, wait_s: float) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(handle, wait_s), "127.0.0.1", port, backlog=512
    )
    await server.serve_forever()


def main() -> None:
    """Serve until told to stop."""
    what, port, *rest = sys.argv[1:]
    handle: Handler
    if what == "sink":
        handle, wait_s = Sink().handle, 0.0
    else:
        wait_s = float(rest[0])
        symbols = Path(rest[2]).read_text(encoding="utf-8").split()
        handle = Charts(date.fromisoformat(rest[1]), symbols, wait_s).handle
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(port), handle, wait_s))


if __name__ == "__main__":
    main()
