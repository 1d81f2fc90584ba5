"""The loop of notifications: finds events, makes messages of them, each due at a time, and submits jobs that send."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial

import structlog

from kaboom.drivers.clock import utc_now
from kaboom.errors import KaboomError
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.postgres.events import Event, EventKind
from kaboom.jobs.redis.store import JobStore
from kaboom.market.calendar import JST, is_session
from kaboom.notify.jobs import DELIVER
from kaboom.notify.model import NotificationRules, Placement, Rule
from kaboom.notify.store import open_notifications
from kaboom.providers.limiter.pauses import ProviderPause

_DAY = timedelta(days=1)

#: Shorter pauses are normal for a provider with limits.
LEAST_PAUSE_S = 60.0
_PURGE_S = 3600.0

#: Returns the (market, interval) pairs that are ingested daily but have no complete ingest of a session.
type Missing = Callable[[date], Awaitable[Sequence[tuple[str, str]]]]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Watched:
    """Where the events are found that no transaction of the ledger records."""

    store: JobStore
    pauses: Callable[[], Awaitable[Sequence[ProviderPause]]]
    rules: NotificationRules
    missing: Missing


async def find_events(watched: Watched, now: datetime) -> AsyncIterator[Sequence[Event]]:
    """Yield the events of each source; a source that is unavailable is skipped."""
    sources = (
        _find_lost_workers(watched.store),
        _find_paused(watched.pauses, now),
        _find_incomplete(watched.rules, watched.missing, now),
    )
    for source in sources:
        try:
            yield await source
        except KaboomError as e:
            _log.warning("events_not_found", reason=e.message)


async def _find_lost_workers(store: JobStore) -> list[Event]:
    return [
        Event(
            f"worker_lost:{worker.name}",
            EventKind.WORKER_LOST,
            worker.seen_at,
            data={"worker": worker.name, "seen_at": f"{worker.seen_at.astimezone(JST):%H:%M:%S} JST"},
        )
        for worker in await store.list_lost()
    ]


async def _find_paused(pauses: Callable[[], Awaitable[Sequence[ProviderPause]]], now: datetime) -> list[Event]:
    """Return an event for each provider with a long pause; its id is the same for an hour."""
    return [
        Event(
            f"provider_blocked:{pause.provider}:{now:%Y-%m-%dT%H}",
            EventKind.PROVIDER_BLOCKED,
            now,
            data={"provider": pause.provider, "reason": pause.reason},
        )
        for pause in await pauses()
        if pause.seconds >= LEAST_PAUSE_S
    ]


async def _find_incomplete(rules: NotificationRules, missing: Missing, now: datetime) -> list[Event]:
    """Return an event for each incomplete series of today's session and each deadline that has passed."""
    local = now.astimezone(JST)
    today = local.date()
    deadlines = sorted(await rules.list_deadlines())
    passed = [at for at in deadlines if local.time() >= time.fromisoformat(at)]
    if not passed or not is_session(today):
        return []
    found = await missing(today)
    return [
        Event(
            f"data_incomplete:{market}:{interval}:{today}:{at}",
            EventKind.DATA_INCOMPLETE,
            now,
            data={"market": market, "interval": interval, "session": today.isoformat(), "deadline": at},
        )
        for at in passed
        for market, interval in found
    ]


STEP_S = 1.0
SCAN_S = 15.0


class Notifier:
    """Several may run: each event is saved and routed once, and a channel has at most one unfinished job."""

    def __init__(self, jobs: Jobs, missing: Missing) -> None:
        self._jobs = jobs
        self._notifications = jobs.parts.database.open(open_notifications)
        self._watched = Watched(jobs.parts.store, jobs.parts.pauses, self._notifications.rules, missing)
        self._due_at: dict[str, float] = {}

    async def run(self) -> None:
        """Run until cancelled; retry while a store is unavailable."""
        while True:
            await self._guarded(self.step)
            await asyncio.sleep(STEP_S)

    async def step(self) -> None:
        """Do the work that is due now."""
        await self._every(SCAN_S, self.scan)
        await self._every(_PURGE_S, self._purge)
        log, now = self._notifications.log, utc_now()
        while await log.fan_out(partial(route, now=now), now):
            pass
        for owner, channel_id in await log.due_channels(now):
            await self._jobs.submit(DELIVER, {"channel_id": channel_id}, owner=owner)

    async def scan(self) -> None:
        """Save the events that no transaction of the ledger records."""
        async for events in find_events(self._watched, utc_now()):
            await self._notifications.events.note(events)

    async def _purge(self) -> None:
        if count := await self._notifications.log.purge(utc_now()):
            _log.info("notifications_purged", count=count)

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._due_at.get(work.__name__, 0.0):
            self._due_at[work.__name__] = now + seconds
            await self._guarded(work)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except KaboomError as e:
            _log.warning("notifications_waiting", reason=e.message)
        except Exception:  # noqa: BLE001  otherwise the loop would end, and no notification would be sent
            _log.exception("notifications_crashed")


@dataclass(frozen=True, slots=True)
class Timing:
    """When the messages of a rule may be sent; times of day are Japan's.

    Attributes:
        quiet: the start and the end of quiet hours; they may include midnight.
        digest_at: the time of day at which gathered events are sent.
        digest_minutes: or the minutes between digests, counted from midnight.

    """

    quiet: tuple[time, time] | None = None
    digest_at: time | None = None
    digest_minutes: int | None = None

    @property
    def is_digest(self) -> bool:
        """Whether events are gathered."""
        return self.digest_at is not None or self.digest_minutes is not None

    def due_at(self, now: datetime) -> datetime:
        """Return when an event that happens now is sent: now, or later."""
        due = now.astimezone(JST)
        if self.digest_at is not None:
            due = _next_time(due, self.digest_at)
        elif self.digest_minutes is not None:
            due = _next_step(due, timedelta(minutes=self.digest_minutes))
        if self.quiet is not None and _is_within(due.time(), *self.quiet):
            due = _next_time(due, self.quiet[1])
        return due.astimezone(UTC)


def _next_time(now: datetime, at: time) -> datetime:
    today = datetime.combine(now.date(), at, JST)
    return today if today > now else today + _DAY


def _next_step(now: datetime, step: timedelta) -> datetime:
    midnight = datetime.combine(now.date(), time(), JST)
    return min(midnight + step * ((now - midnight) // step + 1), midnight + _DAY)


def _is_within(at: time, begins: time, ends: time) -> bool:
    return begins <= at < ends if begins < ends else at >= begins or at < ends


def route(event: Event, rules: Sequence[Rule], now: datetime) -> list[Placement]:
    """Return the placements of an event: one message for each rule that matches."""
    return [_place(event, rule, now) for rule in rules if passes(event, rule)]


def passes(event: Event, rule: Rule) -> bool:
    """Return whether a rule matches an event."""
    if event.kind not in rule.events or event.owner not in {"", rule.owner}:
        return False
    if event.kind is EventKind.DATA_INCOMPLETE and event.data.get("deadline") != rule.deadline:
        return False
    return all(str(event.data.get(name, "")) in allowed for name, allowed in rule.only.items())


def timing_of(rule: Rule) -> Timing:
    """Return when the messages of a rule may be sent."""
    quiet = None
    if rule.quiet_from is not None and rule.quiet_until is not None:
        quiet = time.fromisoformat(rule.quiet_from), time.fromisoformat(rule.quiet_until)
    digest_at = None if rule.digest_at is None else time.fromisoformat(rule.digest_at)
    return Timing(quiet, digest_at, rule.digest_minutes)


def _place(event: Event, rule: Rule, now: datetime) -> Placement:
    timing = timing_of(rule)
    due_at = timing.due_at(now)
    what = due_at.isoformat() if timing.is_digest else event.event_id
    return Placement(rule, f"{rule.rule_id} {what}", due_at)
