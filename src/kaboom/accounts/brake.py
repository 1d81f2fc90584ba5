"""Delay logins after failures, by account, address and browser, across all API processes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from kaboom.accounts.failed_logins import HELD, WRONG, FailedLogins, Failure
from kaboom.accounts.login_failures import Attempt, LoginFailures, MemoryLoginFailures
from kaboom.accounts.model import User
from kaboom.errors import StoreError
from kaboom.web.address_limit import network_of
from kaboom.web.caller_errors import TooManyLogins

#: An attempt waits at most this long for the shared counts; after that the process uses its own for `_ALONE_S`.
_PATIENCE_S = 1.0
_ALONE_S = 5.0
#: A wait this long needs ten failures in a row, more than typing errors explain.
STORM_S = 20.0


class LoginBrake:
    """Counts failed logins: in Redis after `share` was called; in this process while Redis is unavailable."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, failed: FailedLogins | None = None) -> None:
        """Take a clock, and where failed logins are noted; without it they only slow the next ones."""
        self._clock = clock
        self._failed = failed
        self._own = MemoryLoginFailures(clock)
        self._shared: LoginFailures | None = None
        self._alone_until = float("-inf")
        self._tell: Callable[[str], Awaitable[None]] | None = None

    def share(self, failures: LoginFailures | None) -> None:
        """Use the counts that all API processes share; with None, count in this process only."""
        self._shared = failures

    def tell_storms(self, tell: Callable[[str], Awaitable[None]]) -> None:
        """Call `tell` with the network of each attempt that must wait for STORM_S or longer."""
        self._tell = tell

    async def begin(self, account: str | None, address: str, *, device: str = "") -> None:
        """Count an attempt of an account and of the network of an address, or of a browser that the account knows.

        Raises:
            TooManyLogins: the account, the network or the browser has failed too often; this attempt is not counted.

        """
        attempt = Attempt(network_of(address), account, device)
        wait_s = await self._ask(lambda failures: failures.begin(attempt))
        if wait_s >= STORM_S and self._tell:
            await self._tell(attempt.network)
        if wait_s > 0:
            self._note(Failure("token" if account is None else "password", HELD, attempt.network))
            raise TooManyLogins("too many failed logins: wait before the next one", retry_after_s=max(1, wait_s))

    def fail(self, account: str | None, address: str, user: User | None = None) -> None:
        """Note an attempt that began and was wrong, with the user whose password it was not."""
        failure = Failure("token" if account is None else "password", WRONG, network_of(address))
        self._note(replace(failure, owner=user.owner, user_id=user.user_id) if user else failure)

    async def succeed(self, account: str | None, address: str, *, device: str = "") -> None:
        attempt = Attempt(network_of(address), account, device)
        await self._ask(lambda failures: failures.succeed(attempt))

    def _note(self, failure: Failure) -> None:
        if self._failed:
            self._failed.note(failure)

    async def _ask[V](self, question: Callable[[LoginFailures], Awaitable[V]]) -> V:
        if self._shared is not None and self._clock() >= self._alone_until:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    return await question(self._shared)
            except (StoreError, TimeoutError):
                self._alone_until = self._clock() + _ALONE_S
        return await question(self._own)
