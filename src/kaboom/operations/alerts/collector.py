"""Find all alerts at the same time; a source that does not answer does not affect the others."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from kaboom.drivers.clock import utc_now
from kaboom.errors import KaboomError
from kaboom.health.routes import Readiness
from kaboom.jobs.engine.parts import Parts
from kaboom.operations.alerts import sources
from kaboom.operations.alerts.kinds import Alert, Kind, Severity
from kaboom.operations.alerts.sources import Asked

#: How long a source may take; all are asked at the same time.
_WITHIN_S = 3.0
_NEVER = datetime.max.replace(tzinfo=UTC)

#: The kinds of alerts that each source finds.
SOURCES: Mapping[Callable[[Asked], Awaitable[list[Alert]]], tuple[Kind, ...]] = {
    sources.find_stores: (Kind.STORE_AWAY,),
    sources.find_disks: (Kind.DISK_FULL,),
    sources.find_full_redis: (Kind.REDIS_MEMORY_HIGH,),
    sources.find_workers: (Kind.NO_WORKER, Kind.WORKERS_LOST),
    sources.find_old_queues: (Kind.QUEUE_OLD,),
    sources.find_missed_ingests: (Kind.INGEST_MISSED,),
    sources.find_overdue_schedules: (Kind.SCHEDULE_OVERDUE,),
    sources.find_dead_letters: (Kind.DEAD_LETTERS,),
    sources.find_paused_providers: (Kind.PROVIDER_PAUSED,),
    sources.find_old_list: (Kind.SYMBOL_LIST_OLD,),
    sources.find_failing_channels: (Kind.CHANNEL_FAILING,),
}

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AlertsFound:
    """The alerts, most severe first, and the kinds that could not be checked."""

    alerts: tuple[Alert, ...]
    unknown: tuple[Kind, ...]
    checked_at: datetime


async def find_alerts(parts: Parts, readiness: Readiness, owner: str) -> AlertsFound:
    """Return the current alerts for an owner."""
    asked = Asked(parts, readiness, owner, utc_now())
    answers = await asyncio.gather(*(_ask(source, asked) for source in SOURCES))
    kinds = list(SOURCES.values())
    unknown = [kind for of, answer in zip(kinds, answers, strict=True) if answer is None for kind in of]
    alerts = [alert for answer in answers for alert in answer or ()]
    alerts.sort(key=_place)
    return AlertsFound(tuple(alerts), tuple(unknown), asked.now)


def _place(alert: Alert) -> tuple[bool, bool, datetime]:
    """Return the sort key: the most severe first, of these a full disk, which causes most others, then the oldest."""
    return alert.severity is not Severity.PAGE, alert.kind is not Kind.DISK_FULL, alert.since or _NEVER


async def _ask(source: Callable[[Asked], Awaitable[list[Alert]]], asked: Asked) -> list[Alert] | None:
    try:
        async with asyncio.timeout(_WITHIN_S):
            return await source(asked)
    except (KaboomError, TimeoutError) as e:
        _log.warning("alerts_not_found", kind=SOURCES[source][0].value, reason=str(e) or "no answer")
        return None
