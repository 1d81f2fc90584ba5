"""Failed logins, counted by account, by address and by browser: the port, and its implementation for one process."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

#: This many attempts may fail without a wait.
FREE = 5
#: After that each wait is twice as long as the one before, up to these seconds: an account is never locked.
MOST_ACCOUNT_S, MOST_ADDRESS_S = 60.0, 900.0
#: After this long without an attempt the count starts again at 0.
FORGOTTEN_S = 3600.0
#: An account knows an address for this long after its last login from there.
KNOWN_S = 90 * 24 * 3600.0
#: No wait is longer than 2 to this power, in seconds; further doubling would overflow.
MOST_DOUBLINGS = 20
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to log in.

    Attributes:
        network: the network of the client's address.
        account: the normalized name of the account; None for a login by token.
        device: the id of the browser, if its cookie proves that it has logged in to this account before; else "".

    """

    network: str
    account: str | None = None
    device: str = ""


class LoginFailures(Protocol):
    """Counts each attempt as failed until it succeeds, so that concurrent attempts cannot exceed the limit.

    An attempt counts for its address and its account. If the account has logged in from the address before, it counts
    for the two together in place of the account; an attempt of a known browser counts for the browser alone. So
    strangers who fail cannot hold up those who have logged in before.

    Both methods raise StoreError if the counts are unavailable.
    """

    async def begin(self, attempt: Attempt) -> float:
        """Count an attempt and return 0; or count nothing, and return the seconds that the caller must wait."""
        ...

    async def succeed(self, attempt: Attempt) -> None:
        """Reset the failures of who has logged in, take back the attempt of its address, and know the address."""
        ...


@dataclass(slots=True)
class _Entry:
    failures: int
    last_at: float
    open_at: float


class MemoryLoginFailures:
    """`LoginFailures` of one process, in tables of bounded size."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def begin(self, attempt: Attempt) -> float:
        now, limits = self._clock(), self._limits(attempt)
        wait_s = max(self._find(key).open_at - now for key in limits)
        if wait_s > 0:
            return wait_s
        for key, most_s in limits.items():
            entry = self._find(key)
            entry.failures, entry.last_at = entry.failures + 1, now
            if entry.failures >= FREE:
                entry.open_at = now + min(2.0 ** min(entry.failures - FREE, MOST_DOUBLINGS), most_s)
        return 0.0

    async def succeed(self, attempt: Attempt) -> None:
        for key in self._limits(attempt):
            entry = self._find(key)
            entry.failures = max(0, entry.failures - 1) if key[0] == "address" else 0
            entry.open_at = 0.0
        if attempt.account is not None:
            self._known[attempt.account, attempt.network] = self._clock() + KNOWN_S
            self._known.move_to_end((attempt.account, attempt.network))
            if len(self._known) > _MOST:
                self._known.popitem(last=False)

    def _limits(self, attempt: Attempt) -> dict[tuple[str, str], float]:
        """Return the keys that an attempt is counted for, each with its longest wait."""
        if attempt.device:
            return {("device", attempt.device): MOST_ACCOUNT_S}
        limits = {("address", attempt.network): MOST_ADDRESS_S}
        if attempt.account is None:
            return limits
        is_known = self._known.get((attempt.account, attempt.network), 0.0) > self._clock()
        key = ("place", place_of(attempt)) if is_known else ("account", attempt.account)
        return limits | {key: MOST_ACCOUNT_S}

    def _find(self, key: tuple[str, str]) -> _Entry:
        now = self._clock()
        entry = self._entries.get(key)
        if entry is None or now - entry.last_at > FORGOTTEN_S:
            entry = self._entries[key] = _Entry(0, now, 0.0)
        self._entries.move_to_end(key)
        if len(self._entries) > _MOST:
            self._entries.popitem(last=False)
        return entry


def place_of(attempt: Attempt) -> str:
    """Return the name of an account at an address; neither contains a space."""
    return f"{attempt.account} {attempt.network}"
