"""One hostile client in a process of its own: `python -m tests.faults.lab.attack PORT KIND…`, until it is ended."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HOST = "127.0.0.1"
_HEAD = b"GET /api/v1/ingest/jobs HTTP/1.1\r\nHost: a\r\n"
_BODY = b"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n"
_SILENT = 1100
_SLOW = 300

#: A way to attack a port, until cancelled.
type Attack = Callable[[int], Awaitable[None]]
type Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def send_large_heads(port: int) -> None:
    """Send heads of 60 MB in one header."""
    await _repeat(port, 4, lambda link: _pour(link, _HEAD + b"X-A: ", b"x" * 1_000_000, 60))


async def send_many_headers(port: int) -> None:
    """Send 300 MB of small headers."""
    await _repeat(port, 4, lambda link: _pour(link, _HEAD, b"X-A: b\r\n" * 125_000, 300))


async def stay_silent(port: int) -> None:
    """Hold silent connections, and open new ones where they are closed."""
    await _repeat(port, _SILENT, lambda link: link[0].read())


async def send_bodies_slowly(port: int) -> None:
    """Send bodies a byte at a time."""
    await _repeat(port, _SLOW, lambda link: _pour(link, _BODY, b" ", 60_000, pause_s=0.5))


async def send_heads_slowly(port: int) -> None:
    """Hold heads of nearly 64 KiB that do not end."""
    await _repeat(port, _SLOW, lambda link: _pour(link, _HEAD + b"X-A: " + b"x" * 60_000, b"x", 60_000, pause_s=0.5))


async def read_nothing(port: int) -> None:
    """Ask for the largest page that needs no token, again and again, and read nothing."""
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 16
    await _repeat(port, 20, lambda link: _pour(link, asked, asked, 100, pause_s=0.1))


KINDS = {
    attack.__name__: attack
    for attack in (
        send_large_heads, send_many_headers, stay_silent, send_bodies_slowly, send_heads_slowly, read_nothing,
    )
}  # fmt: skip


@contextmanager
def attacking(port: int, *kinds: Attack) -> Iterator[None]:
    """Attack a port in these ways at once, from one process, for the time of a `with`."""
    argv = [sys.executable, "-m", __name__, str(port), *(kind.__name__ for kind in kinds)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(
        argv, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "attacking\n"
            yield
            assert process.poll() is None, "the attack ended by itself"
        finally:
            process.kill()


async def _repeat(port: int, count: int, attack: Callable[[Connection], Awaitable[object]]) -> None:
    """Attack on so many connections at once, each of which is opened anew when it has ended."""

    async def go() -> None:
        while True:
            with contextlib.suppress(OSError):
                link = await asyncio.open_connection(HOST, port)
                try:
                    await attack(link)
                finally:
                    link[1].transport.abort()
            await asyncio.sleep(1)

    await asyncio.gather(*(go() for _ in range(count)))


async def _pour(link: Connection, begin: bytes, piece: bytes, times: int, *, pause_s: float = 0.0) -> None:
    _, writer = link
    writer.write(begin)
    for _ in range(times):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause_s)


async def main() -> None:
    """Attack."""
    port, *names = sys.argv[1:]
    sys.stdout.write("attacking\n")
    sys.stdout.flush()
    await asyncio.gather(*(KINDS[name](int(port)) for name in names))


if __name__ == "__main__":
    asyncio.run(main())
