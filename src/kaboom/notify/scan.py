"""Find events that no transaction of the ledger records; a repeated search gives the same ids, saved once."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import date, datetime, time

import structlog

from kaboom.errors import KaboomError
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.postgres.events import Event, EventKind
from kaboom.market.calendar import JST, is_session
from kaboom.notify.store import open_notifications

#: Shorter pauses are normal for a provider with limits.
LEAST_PAUSE_S = 60.0

#: Returns the (market, interval) pairs that are ingested daily but have no complete ingest of a session.
type Missing = Callable[[Parts, date], Awaitable[Sequence[tuple[str, str]]]]

_log = structlog.get_logger(__name__)


async def find_events(parts: Parts, missing: Missing, now: datetime) -> AsyncIterator[Sequence[Event]]:
    """Yield the events of each source; a source that is unavailable is skipped."""
    sources = (_find_lost_workers(parts), _find_paused(parts, now), _find_incomplete(parts, missing, now))
    for source in sources:
        try:
            yield await source
        except KaboomError as e:
            _log.warning("events_not_found", reason=e.message)


async def _find_lost_workers(parts: Parts) -> list[Event]:
    return [
        Event(
            f"worker_lost:{worker.name}",
            EventKind.WORKER_LOST,
            worker.seen_at,
            data={"worker": worker.name, "seen_at": f"{worker.seen_at.astimezone(JST):%H:%M:%S} JST"},
        )
        for worker in await parts.store.list_lost()
    ]


async def _find_paused(parts: Parts, now: datetime) -> list[Event]:
    """Return an event for each provider with a long pause; its id is the same for an hour."""
    return [
        Event(
            f"provider_blocked:{pause.provider}:{now:%Y-%m-%dT%H}",
            EventKind.PROVIDER_BLOCKED,
            now,
            data={"provider": pause.provider, "reason": pause.reason},
        )
        for pause in await parts.pauses()
        if pause.seconds >= LEAST_PAUSE_S
    ]


async def _find_incomplete(parts: Parts, missing: Missing, now: datetime) -> list[Event]:
    """Return an event for each incomplete series of today's session and each deadline that has passed."""
    local = now.astimezone(JST)
    today = local.date()
    deadlines = sorted(await parts.database.open(open_notifications).rules.list_deadlines())
    passed = [at for at in deadlines if local.time() >= time.fromisoformat(at)]
    if not passed or not is_session(today):
        return []
    found = await missing(parts, today)
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
