"""How often an address may call without a token: counted in this process, in a table of bounded size."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Iterable

from app.rate_limit import Allowance, parse_rate

#: Some 200 bytes each. Those that called longest ago are forgotten.
_MOST_ADDRESSES = 10_000
_FORWARDED = b"x-forwarded-for"
#: Probes come often, from few addresses, and cost little.
_OPEN_TO_ALL = frozenset({"/healthz", "/readyz"})


class AddressLimiter:
    """Limits the calls of each client address in windows of a policy such as `60/minute`; `off` limits nothing."""

    def __init__(self, rate: str, *, hops: int = 0, most: int = _MOST_ADDRESSES) -> None:
        """Take an address from the socket, or behind `hops` proxies from `X-Forwarded-For`."""
        self._rate = parse_rate("anonymous", rate)
        self._hops, self._most = hops, most
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many addresses are known."""
        return len(self._windows)

    def refuse(self, path: str, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> Allowance | None:
        """Count a call to an open path; return why it is refused, None where it is not."""
        if self._rate is None or path in _OPEN_TO_ALL:
            return None
        address, now = find_address(peer, headers, hops=self._hops), time.monotonic()
        ends_at, spent = self._windows.get(address, (0.0, 0))
        if now >= ends_at:
            ends_at, spent = now + self._rate.window_s, 0
        self._windows[address] = ends_at, spent + 1
        self._windows.move_to_end(address)
        if len(self._windows) > self._most:
            self._windows.popitem(last=False)
        if spent < self._rate.amount:
            return None
        told = f"{self._rate.amount} calls in {self._rate.window_s} s are allowed to one address without a token"
        return self._rate.allow(0, ends_at - now, f"{told}, and were made")


def find_address(peer: str, headers: Iterable[tuple[bytes, bytes]], *, hops: int) -> str:
    """Return the client behind a number of proxies, each of which adds an address to the end of `X-Forwarded-For`.

    What stands before those is the client's own word. IPv6 counts by its /64, which one host has for itself.
    """
    lines = b",".join(value for name, value in headers if name == _FORWARDED) if hops else b""
    forwarded = [part.strip() for part in lines.decode("latin-1").split(",")]
    for text in (forwarded[-hops] if 0 < hops <= len(forwarded) else "", peer):
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            continue
        if address.version == 4:
            return str(address)
        return str(address.ipv4_mapped or ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
    return peer
