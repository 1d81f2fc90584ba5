"""Host names to addresses, on threads of their own: a slow name server holds up no other work of the process."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

#: Returns every address of a host name, as text; raises OSError where there is none.
type Lookup = Callable[[str, int], Awaitable[list[str]]]

_threads = ThreadPoolExecutor(8, thread_name_prefix="dns")


async def look_up(host: str, port: int) -> list[str]:
    """Return every address of a host name, as the system resolves it.

    Raises:
        OSError: the name has no address, or no name server answers.

    """
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(_threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return [str(address[0]) for *_, address in found]
