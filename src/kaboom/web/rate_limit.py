"""Rate limits: one policy for reads and one for writes, counted for each caller over all API processes.

A process reserves several calls of the shared count at once, so most calls cost no round trip
(docs/decisions/0050-rate-limits-are-reserved-in-redis.md).
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kaboom.drivers.batcher import CallBatcher
from kaboom.errors import StoreError

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
        """Return the allowance when this many calls are left."""
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
            return self._tell(self._refusal)
        self._held -= 1
        return self._tell()

    def refund(self) -> Allowance:
        if time.monotonic() < self._ends_at:
            self._held += 1
        return self._tell()

    async def _reserve_more(self) -> None:
        try:
            if self._counts:
                await self._reserving.call(None)
                return
        except StoreError:
            # This happens only if the process was paused for seconds, which is no reason to refuse a call.
            self._alone_until = time.monotonic() + _ALONE_S
        await self._reserve([None])

    def _tell(self, refusal: str = "") -> Allowance:
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
