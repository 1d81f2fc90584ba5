"""Failed logins: a line a minute for each address and account in the audit log, metrics, and events of storms."""

import asyncio
from collections import Counter, OrderedDict
from dataclasses import dataclass, replace

import structlog

from kaboom.drivers.clock import Clock, utc_now
from kaboom.errors import StoreError
from kaboom.jobs.postgres.events import Event, EventKind, EventOutbox
from kaboom.telemetry.metrics import FAILED_LOGINS, count
from kaboom.web.auth.changes import Change, ChangeLog
from kaboom.web.auth.principals import DEFAULT_OWNER, Principal

#: The action of these lines in the audit log.
ACTION = "failed_login"
WRONG, HELD = 401, 429
_MINUTE_S = 60.0
#: A process writes at most this many lines a minute: an attacker must not fill the audit log.
MOST_LINES = 100
#: Who failed is not known.
_NOBODY = "unknown"
#: This many reported storms are cached; the ledger stores each only once anyway.
_MOST_STORMS = 1000

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """A login that failed.

    Attributes:
        how: `password` or `token`.
        status: 401 for a wrong credential, 429 for an attempt that was refused unread after earlier failures.
        network: the address of the client, or its IPv6 /64; empty in the line of all addresses beyond `MOST_LINES`.
        owner, user_id: those of the user whose password was wrong. A name that no user has is not kept: it may be a
            password, typed into the wrong field.

    """

    how: str
    status: int
    network: str
    owner: str = DEFAULT_OWNER
    user_id: str = ""


class FailedLogins:
    """Counts failed logins, and writes their lines each minute; a crash loses the last minute's."""

    def __init__(self, log: ChangeLog) -> None:
        self._log = log
        self._counts: Counter[Failure] = Counter()

    def note(self, failure: Failure) -> None:
        """Count a failed login."""
        count(FAILED_LOGINS, failure.how, "wrong" if failure.status == WRONG else "held")
        if failure not in self._counts and len(self._counts) >= MOST_LINES:
            failure = replace(failure, network="", owner=DEFAULT_OWNER, user_id="")
        self._counts[failure] += 1

    async def run(self) -> None:
        """Write the lines of each minute until cancelled."""
        while True:
            await asyncio.sleep(_MINUTE_S)
            await self.flush()

    async def flush(self) -> None:
        """Write the lines of what was counted since the last call."""
        counts, self._counts = self._counts, Counter()
        await asyncio.gather(*(self._log.note(_describe(failure, times)) for failure, times in counts.items()))


def _describe(failure: Failure, times: int) -> Change:
    caller = Principal(failure.owner, failure.how, _NOBODY, _NOBODY, frozenset())
    return Change(
        caller, ACTION, failure.user_id, failure.status, failure.network, "", f"attempts in this minute: {times}"
    )


class LoginStorms:
    """Saves an event for each storm of failed logins, at most one an hour for each network."""

    def __init__(self, log: EventOutbox, clock: Clock = utc_now) -> None:
        self._log = log
        self._clock = clock
        self._told: OrderedDict[str, None] = OrderedDict()

    async def tell(self, network: str) -> None:
        """Save an event of repeated failures in a network; if the ledger is unavailable, the next call retries."""
        now = self._clock()
        event_id = f"login_storm:{network}:{now:%Y-%m-%dT%H}"
        if event_id in self._told:
            return
        try:
            await self._log.note([Event(event_id, EventKind.LOGIN_STORM, now, data={"who": network})])
        except StoreError as e:
            _log.warning("storm_not_kept", reason=e.message)
            return
        self._told[event_id] = None
        if len(self._told) > _MOST_STORMS:
            self._told.popitem(last=False)
