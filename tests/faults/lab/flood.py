"""`python -m tests.faults.lab.flood PORT PATH CLIENTS SECONDS`: ask as fast as answers come; count them by status."""

import asyncio
import json
import sys
import time
from collections import Counter


async def flood(port: int, path: str, clients: int, seconds: float) -> Counter[str]:
    """Ask one path from many connections without a token; return how many answers had each status."""
    seen: Counter[str] = Counter()
    until = time.monotonic() + seconds
    await asyncio.gather(*(_ask(port, path, until, seen) for _ in range(clients)))
    return seen


async def _ask(port: int, path: str, until: float, seen: Counter[str]) -> None:
    asking = f"GET {path} HTTP/1.1\r\nHost: kaboom\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while time.monotonic() < until:
            writer.write(asking)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            await reader.readexactly(length)
            seen[head.split(" ")[1]] += 1
    finally:
        writer.close()


if __name__ == "__main__":
    port, path, clients, seconds = sys.argv[1:]
    sys.stdout.write(json.dumps(asyncio.run(flood(int(port), path, int(clients), float(seconds)))))
