"""Rate limits of client addresses without a valid token, counted in this process in a table of bounded size."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping

import structlog

from kaboom.web.auth.guard import STATIC_PREFIX
from kaboom.web.rate_limit import Allowance, parse_rate

#: The most addresses in the table, about 200 bytes each. The address that called longest ago is dropped.
_MOST_ADDRESSES = 10_000
_FORWARDED, _SCHEME = b"x-forwarded-for", b"x-forwarded-proto"
#: Probes come often, from few addresses, and are cheap; so are static files.
_UNLIMITED = frozenset({"/healthz", "/readyz"})
#: What is wrong if `X-Forwarded-For` arrives and no proxy is expected.
FORWARDED_WARNING = (
    "requests had X-Forwarded-For, which is ignored: behind a proxy all clients have one address, and one limit"
)

_log = structlog.get_logger(__name__)


class AddressLimiter:
    """Limits the calls of each client address in windows of a policy such as `60/minute`; `off` sets no limit."""

    def __init__(self, rate: str, *, hops: int = 0, most: int = _MOST_ADDRESSES) -> None:
        """Read addresses from the socket, or from `X-Forwarded-For` behind `hops` proxies."""
        self._rate = parse_rate("anonymous", rate)
        self._hops, self._most = hops, most
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()
        #: Whether a request had a forwarded address although no proxy is expected.
        self.has_ignored_forwarded = False

    def __len__(self) -> int:
        """Return the number of addresses in the table."""
        return len(self._windows)

    def find_client(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Return the client's whole address. Each of the `hops` proxies appends one to `X-Forwarded-For`.

        Earlier entries come from the client, and are ignored.
        """
        if self._hops == 0:
            if not self.has_ignored_forwarded and any(name == _FORWARDED for name, _ in headers):
                self.has_ignored_forwarded = True
                _log.warning("forwarded_address_ignored", reason=FORWARDED_WARNING, setting="KABOOM_PROXY_HOPS")
            return peer
        lines = b",".join(value for name, value in headers if name == _FORWARDED)
        forwarded = [part.strip() for part in lines.decode("latin-1").split(",")]
        address = _parse(forwarded[-self._hops]) if self._hops <= len(forwarded) else None
        return str(address) if address else peer

    def is_encrypted(self, scheme: str, headers: Mapping[bytes, bytes]) -> bool:
        """Return whether a client came by TLS: to this server, or to the proxy that clients reach first."""
        forwarded = headers.get(_SCHEME, b"").split(b",")[0].strip() if self._hops else b""
        return scheme == "https" or forwarded == b"https"

    def is_spent(self, client: str) -> bool:
        """Return whether the next call without a valid token would be refused; counts nothing."""
        if self._rate is None:
            return False
        ends_at, spent = self._windows.get(network_of(client), (0.0, 0))
        return spent >= self._rate.amount and time.monotonic() < ends_at

    def refuse(self, path: str, client: str) -> Allowance | None:
        """Count a call without a valid token; return the allowance if it is refused, otherwise None."""
        if self._rate is None or path in _UNLIMITED or path.startswith(STATIC_PREFIX):
            return None
        address, now = network_of(client), time.monotonic()
        ends_at, spent = self._windows.get(address, (0.0, 0))
        if now >= ends_at:
            ends_at, spent = now + self._rate.window_s, 0
        self._windows[address] = ends_at, spent + 1
        self._windows.move_to_end(address)
        if len(self._windows) > self._most:
            self._windows.popitem(last=False)
        if spent < self._rate.amount:
            return None
        policy = f"{self._rate.amount} calls in {self._rate.window_s} s"
        return self._rate.allow(0, ends_at - now, f"an address without a valid token may make {policy}")


def network_of(client: str) -> str:
    """Return the key of a client in limits: its IPv4 address, or its IPv6 /64, the usual network of one host.

    A mapped IPv4 address is that address; any other text is unchanged.
    """
    address = _parse(client) if ":" in client else None
    if not isinstance(address, ipaddress.IPv6Address):
        return client
    return str(address.ipv4_mapped or ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
