"""How often a caller may call: one policy for reads and one for writes, counted in this process."""

import math
import time
from collections import Counter
from dataclasses import dataclass

#: The policy that limits nothing.
OFF = "off"
_WINDOWS_S = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
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
    """Counts in fixed windows; one begins with the first call after the last one's end, for all callers at once."""

    def __init__(self, name: str, amount: int, window_s: int) -> None:
        self._name, self._amount, self._window_s = name, amount, window_s
        self._spent: Counter[str] = Counter()
        self._ends_at = 0.0
        self._header = f'"{name}";q={amount};w={window_s}'
        self._refusal = f"{amount} {name}s in {window_s} s are allowed to this token, and were made"

    def spend(self, caller: str) -> Allowance:
        now = time.monotonic()
        if now >= self._ends_at:
            self._ends_at = now + self._window_s
            self._spent.clear()
        self._spent[caller] += 1
        left = self._amount - self._spent[caller]
        reset_s = max(1, math.ceil(self._ends_at - now))
        state = f'"{self._name}";r={max(0, left)};t={reset_s}'
        return Allowance(self._header, state, "" if left >= 0 else self._refusal, reset_s)


def _build_policy(name: str, text: str) -> _Policy | None:
    """Return the policy of a text that the settings let pass, such as `120/minute`; None for `off`."""
    if text == OFF:
        return None
    amount, _, window = text.partition("/")
    return _Policy(name, int(amount), _WINDOWS_S[window])
