"""Rate limits of callers, of all callers of an owner together, and of addresses without a valid token.

One policy for reads and one for writes is counted for each caller over all API processes.

A process reserves several calls of the shared count at once, so most calls cost no round trip
(docs/decisions/0050-rate-limits-are-reserved-in-redis.md).
"""

import asyncio
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from kaboom.drivers.batcher import CallBatcher
from kaboom.errors import StoreError
from kaboom.web.auth.guard import STATIC_PREFIX
from kaboom.web.auth.principals import Principal, is_privileged

#: The policy without a limit.
OFF = "off"
_WINDOWS_S = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
#: A process reserves 1/20 of a limit at a time.
_PART = 20
#: A call waits at most this long for the shared count; then the process counts alone for `_ALONE_S`.
_PATIENCE_S = 0.1
_ALONE_S = 1.0
#: The most callers whose reservations a process keeps, about 1 KB each; those that called longest ago are dropped.
_MOST_CALLERS = 10_000
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
#: All callers of an owner may make this many times the calls of one; admins may make another share of one.
OWNER_TIMES = 3
_SERVER_AWAY = 503
_CLIENT_ERRORS = range(400, 500)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a policy allows: the response headers, and whether this call is refused.

    Attributes:
        policy, state: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11).
        refusal: why the call is refused; empty if it is allowed.
        reset_s: seconds until the window ends, at least 1.

    """

    policy: str
    state: str
    refusal: str
    reset_s: int


@dataclass(frozen=True, slots=True)
class Rate:
    """A named limit: a number of calls in a window."""

    name: str
    amount: int
    window_s: int

    def allow(self, left: int, ends_in_s: float, refusal: str = "") -> Allowance:
        """Return the allowance, with its two response headers, when `left` calls are left in the window."""
        reset_s = max(1, math.ceil(ends_in_s))
        state = f'"{self.name}";r={max(0, left)};t={reset_s}'
        return Allowance(f'"{self.name}";q={self.amount};w={self.window_s}', state, refusal, reset_s)


@dataclass(frozen=True, slots=True)
class Count:
    """The calls counted in a window, and the seconds until it ends."""

    total: int
    ends_in_s: float


class SharedCounts(Protocol):
    """Counts shared by all API processes."""

    async def add(self, rate: Rate, caller: str, calls: int) -> Count:
        """Add calls of a caller to its count; the first call starts a window.

        Raises:
            StoreError: the counts are unavailable.

        """
        ...


class RateLimiter:
    """Limits the calls of each caller by a policy such as `120/minute`; `off` sets no limit."""

    def __init__(self, *, write: str, read: str, group: str = "", times: int = 1) -> None:
        """Take the policies; with `group` and `times`, limit groups of callers to so many times the policies."""
        self._write = _multiply(parse_rate("write", write), group, times)
        self._read = _multiply(parse_rate("read", read), group, times)
        self._who = "all callers of this owner may make" if group else "this caller may make"
        self._counts: SharedCounts | None = None
        self._shares: OrderedDict[tuple[str, str], _Share] = OrderedDict()

    def share(self, counts: SharedCounts | None) -> None:
        """Use the counts that API processes share; with None, this process counts alone."""
        self._counts = counts
        self._shares.clear()

    async def spend(self, caller: str, method: str) -> Allowance | None:
        """Count a call, and return its allowance; None if no policy applies."""
        share = self._share(caller, method)
        return await share.spend() if share else None

    def refund(self, caller: str, method: str) -> Allowance | None:
        """Give back a call that failed through no fault of the caller."""
        share = self._share(caller, method)
        return share.refund() if share else None

    def _share(self, caller: str, method: str) -> "_Share | None":
        is_read = method in _READS
        rate = self._read if is_read else self._write
        if rate is None:
            return None
        found = self._shares.get((rate.name, caller))
        if found is None:
            what = "reads" if is_read else "writes"
            refusal = f"{self._who} {rate.amount} {what} in {rate.window_s} s"
            found = self._shares[rate.name, caller] = _Share(rate, caller, self._counts, refusal)
            if len(self._shares) > _MOST_CALLERS:
                self._shares.popitem(last=False)
        self._shares.move_to_end((rate.name, caller))
        return found


class _Share:
    """The calls that this process has reserved in one caller's window."""

    def __init__(self, rate: Rate, caller: str, counts: SharedCounts | None, refusal: str) -> None:
        self._rate, self._caller, self._counts = rate, caller, counts
        # A process that counts alone gains nothing by reserving calls.
        self._ahead = max(1, rate.amount // _PART) if counts else 1
        self._held, self._left = 0, rate.amount
        self._ends_at = 0.0
        self._own, self._own_ends_at = 0, 0.0
        self._alone_until = 0.0
        self._reserving: CallBatcher[None, None] = CallBatcher(self._reserve)
        self._refusal = refusal

    async def spend(self) -> Allowance:
        if time.monotonic() >= self._ends_at:
            self._held, self._left = 0, self._rate.amount
        # Another call may have used what this one reserved: reserve again.
        while not self._held and self._left:
            await self._reserve_more()
        if not self._held:
            return self._allowance(self._refusal)
        self._held -= 1
        return self._allowance()

    def refund(self) -> Allowance:
        if time.monotonic() < self._ends_at:
            self._held += 1
        return self._allowance()

    async def _reserve_more(self) -> None:
        try:
            if self._counts:
                await self._reserving.call(None)
                return
        except StoreError:
            # This happens only if the process was paused for seconds, which is no reason to refuse a call.
            self._alone_until = time.monotonic() + _ALONE_S
        await self._reserve([None])

    def _allowance(self, refusal: str = "") -> Allowance:
        return self._rate.allow(self._held + self._left, self._ends_at - time.monotonic(), refusal)

    async def _reserve(self, calls: Sequence[None]) -> Sequence[None]:
        """Reserve one call for each waiting caller, and some in advance."""
        wanted = len(calls) - 1 + self._ahead
        counted = await self._count(wanted)
        now = time.monotonic()
        if now >= self._ends_at:
            self._held = 0
        self._ends_at = now + counted.ends_in_s
        self._held += min(max(self._rate.amount - (counted.total - wanted), 0), wanted)
        self._left = max(self._rate.amount - counted.total, 0)
        return calls

    async def _count(self, calls: int) -> Count:
        """Add to the shared counts; count alone while they are unavailable."""
        now = time.monotonic()
        if now >= self._own_ends_at:
            self._own, self._own_ends_at = 0, now + self._rate.window_s
        self._own += calls
        if self._counts and now >= self._alone_until:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    return await self._counts.add(self._rate, self._caller, calls)
            except (StoreError, TimeoutError):
                self._alone_until = time.monotonic() + _ALONE_S
        return Count(self._own, self._own_ends_at - now)


def parse_rate(name: str, text: str) -> Rate | None:
    """Return the limit of a valid policy such as `120/minute`; None for `off`."""
    if text == OFF:
        return None
    amount, _, window = text.partition("/")
    return Rate(name, int(amount), _WINDOWS_S[window])


def _multiply(rate: Rate | None, group: str, times: int) -> Rate | None:
    if rate is None or not group:
        return rate
    return Rate(f"{rate.name}-{group}", rate.amount * times, rate.window_s)


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


# Callers without the scope `admin` cannot use up what an owner may call: a part is kept for admins and INGEST_API_TOKEN
# (docs/decisions/0090-limits-count-by-caller.md).
@dataclass(frozen=True, slots=True)
class Spending:
    """A call that was counted.

    Attributes:
        allowance: what the caller has left, and whether the call is refused.
        refund: gives the call back to the caller.
        refund_owner: gives the call back to the owner; None if it was not counted there.

    """

    allowance: Allowance
    refund: Callable[[], Allowance | None]
    refund_owner: Callable[[], Allowance | None] | None = None

    def settle(self, status: int) -> Allowance | None:
        """Give back what an answer with this status does not cost; return the caller's new allowance if it changed.

        A 503 costs nothing. A refused call (4xx) costs its caller, but not the others of the owner.
        """
        if self.refund_owner and (status == _SERVER_AWAY or status in _CLIENT_ERRORS):
            self.refund_owner()
        return self.refund() if self.refund_owner and status == _SERVER_AWAY else None


class CallerLimiter:
    """Limits the calls of each caller by a policy such as `120/minute`, and those of an owner; `off` sets no limit."""

    def __init__(self, *, write: str, read: str) -> None:
        self._callers = RateLimiter(write=write, read=read)
        self._owners = RateLimiter(write=write, read=read, group="owner", times=OWNER_TIMES)
        self._reserves = RateLimiter(write=write, read=read, group="reserve")

    def share(self, counts: SharedCounts | None) -> None:
        """Use the counts that API processes share; with None, this process counts alone."""
        for limiter in (self._callers, self._owners, self._reserves):
            limiter.share(counts)

    async def spend(self, caller: Principal, method: str) -> Spending | None:
        """Count a call for its caller, then for its owner; None if no policy applies."""
        key = f"{caller.owner}:{caller.subject}"
        own = await self._callers.spend(key, method)
        if own is None:
            return None
        refund = partial(self._callers.refund, key, method)
        if own.refusal:
            return Spending(own, refund)
        owners = await self._owners.spend(caller.owner, method)
        if owners is None or not owners.refusal:
            return Spending(own, refund, partial(self._owners.refund, caller.owner, method))
        if is_privileged(caller):
            reserve = await self._reserves.spend(caller.owner, method)
            if reserve and not reserve.refusal:
                return Spending(own, refund, partial(self._reserves.refund, caller.owner, method))
        return Spending(owners, refund)
