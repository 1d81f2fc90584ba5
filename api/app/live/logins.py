"""Failed logins, counted by account and by address: the port, and its implementation for one process."""

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
#: No wait is longer than 2 to this power, in seconds; further doubling would overflow.
MOST_DOUBLINGS = 20
_MOST = 10_000


class LoginFailures(Protocol):
    """Counts each attempt as failed until it succeeds, so that concurrent attempts cannot exceed the limit.

    Both methods raise StoreError if the counts are unavailable.
    """

    async def begin(self, account: str | None, address: str) -> float:
        """Count an attempt and return 0; or count nothing, and return the seconds that the caller must wait."""
        ...

    async def succeed(self, account: str | None, address: str) -> None:
        """Reset the failures of an account that has logged in, and take back the attempt of its address."""
        ...


@dataclass(slots=True)
class _Entry:
    failures: int
    last_at: float
    open_at: float


class MemoryLoginFailures:
    """`LoginFailures` of one process, in a table of bounded size."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()

    async def begin(self, account: str | None, address: str) -> float:
        now, limits = self._clock(), _limits(account, address)
        wait_s = max(self._find(key).open_at - now for key in limits)
        if wait_s > 0:
            return wait_s
        for key, most_s in limits.items():
            entry = self._entries[key]
            entry.failures, entry.last_at = entry.failures + 1, now
            if entry.failures >= FREE:
                entry.open_at = now + min(2.0 ** min(entry.failures - FREE, MOST_DOUBLINGS), most_s)
        return 0.0

    async def succeed(self, account: str | None, address: str) -> None:
        for key in _limits(account, address):
            entry = self._find(key)
            entry.failures = 0 if key[0] == "account" else max(0, entry.failures - 1)
            entry.open_at = 0.0

    def _find(self, key: tuple[str, str]) -> _Entry:
        now = self._clock()
        entry = self._entries.get(key)
        if entry is None or now - entry.last_at > FORGOTTEN_S:
            entry = self._entries[key] = _Entry(0, now, 0.0)
        self._entries.move_to_end(key)
        if len(self._entries) > _MOST:
            self._entries.popitem(last=False)
        return entry


def _limits(account: str | None, address: str) -> dict[tuple[str, str], float]:
    """Return the keys that an attempt is counted for, each with its longest wait."""
    of_account = {} if account is None else {("account", account): MOST_ACCOUNT_S}
    return of_account | {("address", address): MOST_ADDRESS_S}
