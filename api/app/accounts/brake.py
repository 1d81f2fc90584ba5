"""Slows failed logins down, by account and by address, in a table of bounded size."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from app.errors import TooManyLogins

#: So many attempts that fail are free.
FREE = 5
#: Then each waits twice as long as the one before, up to these seconds: an account is slowed, and never locked.
MOST_ACCOUNT_S, MOST_ADDRESS_S = 60.0, 900.0
#: After so long without an attempt the failures are forgotten.
_FORGOTTEN_S = 3600.0
_MOST = 10_000


@dataclass(slots=True)
class _Entry:
    failures: int
    last_at: float
    open_at: float


class LoginBrake:
    """Counts an attempt as failed until it has succeeded, so that many at once do not pass together."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of accounts and addresses in the table."""
        return len(self._entries)

    def begin(self, account: str | None, address: str) -> None:
        """Count an attempt.

        Raises:
            TooManyLogins: the account or the address has failed too often; this attempt does not count.

        """
        now, keys = self._clock(), _keys(account, address)
        wait_s = max(entry.open_at - now for entry in map(self._find, keys))
        if wait_s > 0:
            raise TooManyLogins("too many failed logins: wait before the next one", retry_after_s=max(1, wait_s))
        for key, most_s in keys.items():
            entry = self._entries[key]
            entry.failures, entry.last_at = entry.failures + 1, now
            if entry.failures >= FREE:
                entry.open_at = now + min(2.0 ** min(entry.failures - FREE, 20), most_s)

    def succeed(self, account: str | None, address: str) -> None:
        """Forget the failures of an account that has logged in, and the attempt of its address."""
        for key in _keys(account, address):
            entry = self._find(key)
            entry.failures = 0 if key.startswith("account ") else max(0, entry.failures - 1)
            entry.open_at = 0.0

    def _find(self, key: str) -> _Entry:
        now = self._clock()
        entry = self._entries.get(key)
        if entry is None or now - entry.last_at > _FORGOTTEN_S:
            entry = self._entries[key] = _Entry(0, now, 0.0)
        self._entries.move_to_end(key)
        if len(self._entries) > _MOST:
            self._entries.popitem(last=False)
        return entry


def _keys(account: str | None, address: str) -> dict[str, float]:
    """Return the entries of an attempt, each with the longest wait."""
    of_account = {} if account is None else {f"account {account}": MOST_ACCOUNT_S}
    return of_account | {f"address {address}": MOST_ADDRESS_S}
