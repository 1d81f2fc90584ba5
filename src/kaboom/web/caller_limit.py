"""Rate limits of authenticated callers: of each user and token, and of all callers of an owner together.

Callers without the scope `admin` cannot use up what an owner may call: a part is kept for admins and INGEST_API_TOKEN
(docs/decisions/0090-limits-count-by-caller.md).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from kaboom.web.auth.principals import Principal, is_privileged
from kaboom.web.rate_limit import Allowance, RateLimiter, SharedCounts

#: All callers of an owner may make this many times the calls of one; admins may make another share of one.
OWNER_TIMES = 3
_SERVER_AWAY = 503
_CLIENT_ERRORS = range(400, 500)


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
