"""Whether a client takes what is sent to it, and whether it has sent anything."""

import asyncio
import fcntl
import socket
import struct
import termios
from array import array

from kaboom.web.server.refusals import WAIT_S

#: Bytes that a client takes in each window of time, at least: 1.6 kB/s.
_LEAST = 16 * 1024
#: Where Linux keeps tcpi_bytes_acked in its tcp_info.
_ACKED = struct.Struct("@120xQ")


class Progress:
    """What a client had taken when its window began."""

    def __init__(self) -> None:
        self._began: int | None = None
        self._taken = 0

    def reset(self) -> None:
        """Note that nothing is left to take."""
        self._began = None

    def has_stalled(self, transport: asyncio.Transport, unread: int, tick: int) -> bool:
        """Return whether a client with bytes left to read has taken too few in its window."""
        taken = _count_taken(transport, unread)
        if self._began is None or taken - self._taken >= _LEAST:
            self._began, self._taken = tick, taken
        return tick - self._began > WAIT_S


def has_unread(transport: asyncio.Transport) -> bool:
    """Return whether a socket holds bytes that have not been read."""
    found = array("i", [0])
    try:
        fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.FIONREAD, found)
    except (OSError, ValueError):
        return False
    return found[0] > 0


def _count_taken(transport: asyncio.Transport, unread: int) -> int:
    """Return how many bytes the client has acknowledged; elsewhere than on Linux what has left our buffer."""
    info = getattr(socket, "TCP_INFO", None)
    try:
        acked: int = _ACKED.unpack(
            transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, info, _ACKED.size)
        )[0]
    except (OSError, TypeError, AttributeError, struct.error):
        return -unread
    return acked
