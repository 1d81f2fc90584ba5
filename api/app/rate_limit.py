"""How often a caller may call: one policy for reads and one for writes, counted in this process."""

import math
import time
from dataclasses import dataclass

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

#: The policy that limits nothing.
OFF = "off"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a policy says to one call, and to the next ones.

    Attributes:
        policy, state: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11).
        refusal: why the call is refused, or empty.
        reset_s: seconds until the window ends, at least 1.

    """

    policy: str
    state: str
    refusal: str
    reset_s: int


class RateLimiter:
    """Counts the calls of each caller in windows of a policy such as `120/minute`; `off` counts none."""

    def __init__(self, *, write: str, read: str) -> None:
        self._write = _build_policy("write", write)
        self._read = _build_policy("read", read)

    def spend(self, caller: str, method: str) -> Allowance | None:
        """Count a call; None where no policy limits it."""
        policy = self._read if method in _READS else self._write
        return policy.spend(caller) if policy else None


class _Policy:
    def __init__(self, name: str, item: RateLimitItem) -> None:
        self._name, self._item = name, item
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._header = f'"{name}";q={item.amount};w={item.get_expiry()}'
        self._refusal = f"{item.amount} {name}s in {item.get_expiry()} s are allowed to this token, and were made"

    def spend(self, caller: str) -> Allowance:
        is_allowed = self._limiter.hit(self._item, caller)
        resets_at, remaining = self._limiter.get_window_stats(self._item, caller)
        reset_s = max(1, math.ceil(resets_at - time.time()))
        state = f'"{self._name}";r={remaining};t={reset_s}'
        return Allowance(self._header, state, "" if is_allowed else self._refusal, reset_s)


def _build_policy(name: str, text: str) -> _Policy | None:
    return None if text == OFF else _Policy(name, parse(text))
