"""Finds events that no ledger transaction records. It runs every few seconds; an event has the same id each time."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import date, datetime, time

import structlog

from app.engine.parts import Parts
from app.ledger.notifications.model import Event, EventKind
from batch.errors import KaboomError
from batch.market.calendar import JST, is_session

#: Shorter pauses are normal for a provider with rate limits.
LEAST_PAUSE_S = 60.0

#: Returns the (market, interval) pairs that are ingested daily but lack a complete ingest of a session.
type Missing = Callable[[Parts, date], Awaitable[Sequence[tuple[str, str]]]]

_log = structlog.get_logger(__name__)


async def find_events(parts: Parts, missing: Missing, now: datetime) -> AsyncIterator[Sequence[Event]]:
    """Yield the current events; an unavailable source does not hide the others."""
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
    """Return an event for each provider with a long pause, at most one an hour."""
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
    """Return an event for each series that was incomplete at a deadline of today's session."""
    local = now.astimezone(JST)
    today = local.date()
    deadlines = sorted(await parts.notifications.rules.list_deadlines())
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
