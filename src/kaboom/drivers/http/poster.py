"""Posts to untrusted URLs, after a check of every address."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kaboom.drivers.http.curl import UNSENDABLE, Head, explain, new_handle, pycurl, set_headers
from kaboom.drivers.http.destination import Destination, Lookup, look_up
from kaboom.drivers.http.reply import Reply, unanswered
from kaboom.errors import InvalidRequest

#: Raises InvalidRequest for an address that must not be connected to.
type AddressCheck = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class HttpPoster:
    """Posts to untrusted URLs: no redirect, no proxy, no cookie, no kept connection, no body read.

    Attributes:
        lookup: resolves host names.
        timeout_s: seconds for everything together: name, connection, request and the answer's headers.

    """

    lookup: Lookup = look_up
    timeout_s: float = 15.0

    async def post(
        self, destination: Destination, body: bytes, *, headers: Mapping[str, str], check: AddressCheck
    ) -> Reply:
        """Post a body and return the answer's status and headers; a failure of the peer is in the reply, not raised.

        `check` is called with every address of the host; libcurl may connect to these and to no other.
        """
        try:
            async with asyncio.timeout(self.timeout_s):
                addresses = await self._resolve(destination)
                for address in addresses:
                    check(address)
                return await self._send(destination, addresses, body, headers)
        except (InvalidRequest, OSError) as e:
            return unanswered(e, timeout_s=self.timeout_s)
        except ValueError:
            return Reply(None, failure=UNSENDABLE)

    async def _resolve(self, destination: Destination) -> list[str]:
        try:
            return [str(ipaddress.ip_address(destination.host))]
        except ValueError:
            return await self.lookup(destination.host, destination.port)

    async def _send(
        self, destination: Destination, addresses: Sequence[str], body: bytes, headers: Mapping[str, str]
    ) -> Reply:
        # libcurl caches names and connections in this object, so each delivery has its own.
        async with pycurl.AsyncCurlMulti() as transfers:
            curl, head = new_handle(), Head(wants_body=lambda _status: False)
            curl.setopt(pycurl.URL, f"{destination.origin}/")
            # libcurl would rewrite the escapes of the path; the receiver may have signed its URL.
            curl.setopt(pycurl.REQUEST_TARGET, destination.path)
            curl.setopt(pycurl.RESOLVE, _pin(destination, addresses))
            curl.setopt(pycurl.OPENSOCKETFUNCTION, _SocketGuard(addresses).open)
            set_headers(curl, headers)
            curl.setopt(pycurl.POSTFIELDS, body)
            curl.setopt(pycurl.HEADERFUNCTION, head.take)
            try:
                await transfers.perform(curl)
            except pycurl.error as e:
                if not head.has_stopped:
                    return Reply(None, failure=explain(curl, e, timeout_s=self.timeout_s))
            return head.reply()


class _SocketGuard:
    """Opens sockets to checked addresses only, even if libcurl resolved the host to others."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._allowed = frozenset(map(ipaddress.ip_address, addresses))

    def open(self, _purpose: int, place: pycurl.CurlSockAddr) -> _Socket | int:
        if ipaddress.ip_address(place.addr[0]) not in self._allowed:
            return pycurl.SOCKET_BAD
        return _Socket(place.family, place.socktype, place.protocol)


class _Socket(socket.socket):
    """A socket that pycurl duplicates and then drops: the rest is closed without a warning."""

    def __del__(self) -> None:
        self.close()


def _pin(destination: Destination, addresses: Sequence[str]) -> list[str]:
    """Return the addresses of a host in libcurl's form, which has no address with a zone."""
    plain = [f"[{address}]" if ":" in address else address for address in addresses if "%" not in address]
    return [f"{destination.host}:{destination.port}:{','.join(plain)}"] if plain else []
