"""Failed logins: counted in memory and in Redis, delayed after several, logged for audits and sent as events."""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from kaboom.accounts.model import User
from kaboom.drivers.clock import Clock, utc_now
from kaboom.drivers.redis.client import Redis, redis_errors, run_together
from kaboom.errors import StoreError
from kaboom.jobs.postgres.events import Event, EventKind, EventOutbox
from kaboom.jobs.redis import keys
from kaboom.telemetry.metrics import FAILED_LOGINS, count
from kaboom.web.auth.changes import Action, Change, ChangeLog
from kaboom.web.auth.principals import DEFAULT_OWNER, Principal
from kaboom.web.caller_errors import TooManyLogins
from kaboom.web.rate_limit import network_of

WRONG, HELD = 401, 429
_MINUTE_S = 60.0
#: A process writes at most this many lines a minute: an attacker must not fill the audit log.
MOST_LINES = 100
#: Who failed is not known.
_NOBODY = "unknown"
#: The most saved events that a process remembers. If it saves one again, the ledger still stores it only once.
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
        caller,
        Action.FAILED_LOGIN,
        failure.user_id,
        failure.status,
        failure.network,
        "",
        f"attempts in this minute: {times}",
    )


class LoginStorms:
    """Saves an event when logins from a network fail again and again, at most one an hour for each network."""

    def __init__(self, log: EventOutbox, clock: Clock = utc_now) -> None:
        self._log = log
        self._clock = clock
        self._saved: OrderedDict[str, None] = OrderedDict()

    async def save(self, network: str) -> None:
        """Save an event of repeated failures in a network; if the ledger is unavailable, the next call retries."""
        now = self._clock()
        event_id = f"login_storm:{network}:{now:%Y-%m-%dT%H}"
        if event_id in self._saved:
            return
        try:
            await self._log.note([Event(event_id, EventKind.LOGIN_STORM, now, data={"who": network})])
        except StoreError as e:
            _log.warning("storm_not_kept", reason=e.message)
            return
        self._saved[event_id] = None
        if len(self._saved) > _MOST_STORMS:
            self._saved.popitem(last=False)


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


# KEYS[1] is the browser or the address. An account without a browser adds KEYS[2], its count; KEYS[3], its count at
# this address; and KEYS[4], which exists if it has logged in from there before.
_BEGIN = """
local counts = {KEYS[1]}
if KEYS[2] then counts[2] = redis.call('EXISTS', KEYS[4]) == 1 and KEYS[3] or KEYS[2] end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local free, forgotten_ms, doublings = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local wait_ms = 0
for _, key in ipairs(counts) do
  wait_ms = math.max(wait_ms, tonumber(redis.call('HGET', key, 'open_at') or 0) - now)
end
if wait_ms > 0 then return wait_ms end
for n, key in ipairs(counts) do
  local failures = redis.call('HINCRBY', key, 'failures', 1)
  redis.call('PEXPIRE', key, forgotten_ms)
  if failures >= free then
    local pause_ms = math.min(1000 * 2 ^ math.min(failures - free, doublings), tonumber(ARGV[3 + n]))
    redis.call('HSET', key, 'open_at', string.format('%d', now + pause_ms))
  end
end
return 0
"""
# The same keys without a browser; ARGV[1] is how long the address stays known.
_SUCCEED_AT_ADDRESS = """
if tonumber(redis.call('HGET', KEYS[1], 'failures') or 0) <= 1 then
  redis.call('DEL', KEYS[1])
else
  redis.call('HINCRBY', KEYS[1], 'failures', -1)
  redis.call('HDEL', KEYS[1], 'open_at')
end
if KEYS[2] then
  redis.call('DEL', redis.call('EXISTS', KEYS[4]) == 1 and KEYS[3] or KEYS[2])
  redis.call('SET', KEYS[4], '1', 'PX', ARGV[1])
end
return 0
"""
# KEYS[1] is the browser, KEYS[2] makes the address known.
_SUCCEED_ON_DEVICE = """
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[1])
return 0
"""
_KNOWN_MS = int(KNOWN_S * 1000)


class RedisLoginFailures:
    """`LoginFailures` on one Redis or Valkey; the key of a count expires an hour after its last attempt."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._begin = redis.register_script(_BEGIN)
        self._succeed_at_address = redis.register_script(_SUCCEED_AT_ADDRESS)
        self._succeed_on_device = redis.register_script(_SUCCEED_ON_DEVICE)

    async def begin(self, attempt: Attempt) -> float:
        most_s = MOST_ACCOUNT_S if attempt.device else MOST_ADDRESS_S
        limits = [FREE, int(FORGOTTEN_S * 1000), MOST_DOUBLINGS, int(most_s * 1000), int(MOST_ACCOUNT_S * 1000)]
        with redis_errors():
            (wait_ms,) = await run_together(self._redis, [(self._begin, _counts_of(attempt), limits)])
        return int(wait_ms) / 1000

    async def succeed(self, attempt: Attempt) -> None:
        if attempt.device:
            known = keys.known_place(str(attempt.account), attempt.network)
            call = (self._succeed_on_device, [*_counts_of(attempt), known], [_KNOWN_MS])
        else:
            call = (self._succeed_at_address, _counts_of(attempt), [_KNOWN_MS])
        with redis_errors():
            await run_together(self._redis, [call])


def _counts_of(attempt: Attempt) -> list[str]:
    if attempt.device:
        return [keys.failed_logins("device", attempt.device)]
    address = keys.failed_logins("address", attempt.network)
    if attempt.account is None:
        return [address]
    return [
        address,
        keys.failed_logins("account", attempt.account),
        keys.failed_logins("place", place_of(attempt)),
        keys.known_place(attempt.account, attempt.network),
    ]


#: An attempt waits at most this long for the shared counts; after that the process uses its own for `_ALONE_S`.
_PATIENCE_S = 1.0
_ALONE_S = 5.0
#: A wait this long needs ten failures in a row, more than typing errors explain.
STORM_S = 20.0


class LoginLimiter:
    """Counts failed logins: in Redis after `share` was called; in this process while Redis is unavailable."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, failed: FailedLogins | None = None) -> None:
        """Take a clock, and where failed logins are noted; without it they only slow the next ones."""
        self._clock = clock
        self._failed = failed
        self._own = MemoryLoginFailures(clock)
        self._shared: LoginFailures | None = None
        self._alone_until = float("-inf")
        self._report_storm: Callable[[str], Awaitable[None]] | None = None

    def share(self, failures: LoginFailures | None) -> None:
        """Use the counts that all API processes share; with None, count in this process only."""
        self._shared = failures

    def report_storms(self, report: Callable[[str], Awaitable[None]]) -> None:
        """Call `report` with the network of each attempt that must wait for STORM_S or longer."""
        self._report_storm = report

    async def begin(self, account: str | None, address: str, *, device: str = "") -> None:
        """Count an attempt of an account and of the network of an address, or of a browser that the account knows.

        Raises:
            TooManyLogins: the account, the network or the browser has failed too often; this attempt is not counted.

        """
        attempt = Attempt(network_of(address), account, device)
        wait_s = await self._ask(lambda failures: failures.begin(attempt))
        if wait_s >= STORM_S and self._report_storm:
            await self._report_storm(attempt.network)
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
