"""The checked parts of a request's URL, and the addresses of its host."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Destination:
    """The parts of a request's URL. They are used as they were checked: no second parser reads the URL.

    Attributes:
        host: a name in lower case and ASCII, or an address in its canonical form, IPv6 without brackets.
        path: path and query, sent as they are.

    """

    scheme: str
    host: str
    port: int
    path: str = field(default="/", repr=False)

    @property
    def origin(self) -> str:
        """The URL without path and query."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


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
