"""Resolving host names on separate threads, so that a slow name server delays no other work."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

#: Returns every address of a host name, as text; raises OSError if there is none.
type Lookup = Callable[[str, int], Awaitable[list[str]]]

_threads = ThreadPoolExecutor(8, thread_name_prefix="dns")


async def look_up(host: str, port: int) -> list[str]:
    """Return every address of a host name, resolved by the system.

    Raises:
        OSError: the name has no address, or no name server answers.

    """
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(_threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return [str(address[0]) for *_, address in found]
