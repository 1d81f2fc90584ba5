"""The sources of alerts: one function for each check."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from kaboom.drivers.disk import measure_room
from kaboom.health.routes import Readiness
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.postgres.dead_letters import DeadLetterQuery
from kaboom.market.calendar import JST
from kaboom.market.lists.snapshot import find_newest_date
from kaboom.notify.store import open_notifications
from kaboom.operations.alerts.kinds import (
    DEAD_FOR_H,
    FULL_REDIS,
    MANY_LOST,
    MOST_LIST_AGE_DAYS,
    OLD_QUEUE_S,
    Alert,
    Kind,
    Severity,
)
from kaboom.providers.registry import get_provider_spec
from kaboom.schedules.model import PUNCTUAL_S
from kaboom.schedules.overdue import read_overdue
from kaboom.schedules.store import open_schedules

_READYZ = "/readyz"
_VITAL = frozenset({"redis", "database", "broker"})
#: More dead letters are counted as "100 or more".
_MOST_DEAD = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """The input of all sources: the parts, their readiness, the owner and the time."""

    parts: Parts
    readiness: Readiness
    owner: str
    now: datetime


async def find_stores(asked: Asked) -> list[Alert]:
    """Return the parts that accept no write."""
    ready = await asked.readiness.get()
    return [
        Alert(
            Kind.STORE_AWAY,
            Severity.PAGE if name in _VITAL else Severity.WARNING,
            part.detail,
            "kaboom doctor",
            _READYZ,
            name,
        )
        for name, part in ready.parts.items()
        if not part.is_ok
    ]


async def find_disks(asked: Asked) -> list[Alert]:
    """Return the nearly full disks of the data folder and of the bars, each once, as this process sees them."""
    settings, seen, alerts = asked.parts.settings, set[int](), list[Alert]()
    for name, folder in (("data folder", settings.data_dir), ("bars", settings.bars_dir)):
        room = await asyncio.to_thread(measure_room, folder)
        if room.device not in seen and (text := room.fault or room.warning):
            severity = Severity.PAGE if room.fault else Severity.WARNING
            alerts.append(Alert(Kind.DISK_FULL, severity, text, "kaboom doctor", _READYZ, name))
        seen.add(room.device)
    return alerts


async def find_full_redis(asked: Asked) -> list[Alert]:
    """Return the Redis servers whose memory is nearly full."""
    loads = {**await asked.parts.store.measure_servers(), **await asked.parts.dispatcher.measure_servers()}
    alerts, seen = [], set[str]()
    for name, load in loads.items():
        share = (load.memory_used or 0) / load.memory_max if load.memory_max else 0.0
        if share >= FULL_REDIS and load.run_id not in seen:
            text = f"{100 * share:.0f} % of its memory is used; at 100 % Redis refuses writes"
            alerts.append(Alert(Kind.REDIS_MEMORY_HIGH, Severity.PAGE, text, "kaboom doctor", _READYZ, name))
        seen.add(load.run_id)
    return alerts


async def find_workers(asked: Asked) -> list[Alert]:
    """Return an alert if no worker is online, and an alert if workers were lost."""
    store, alerts = asked.parts.store, list[Alert]()
    online, lost = await asyncio.gather(store.workers(), store.list_lost())
    newest = max((worker.seen_at for worker in lost), default=None)
    if not online:
        waiting = sum([await asked.parts.dispatcher.depth(queue) for queue in asked.parts.catalog.queues])
        text = (
            f"no worker is online, and {waiting:,} messages wait" if waiting else "no worker is online; nothing waits"
        )
        severity = Severity.PAGE if waiting else Severity.WARNING
        alerts.append(Alert(Kind.NO_WORKER, severity, text, "kaboom worker", "/api/v1/workers", since=newest))
    if lost:
        severity = Severity.PAGE if len(lost) > MANY_LOST else Severity.WARNING
        text = f"{len(lost):,} stopped in the last 15 minutes without being asked to; their chunks run elsewhere"
        alerts.append(Alert(Kind.WORKERS_LOST, severity, text, "kaboom workers", "/api/v1/workers", since=newest))
    return alerts


async def find_old_queues(asked: Asked) -> list[Alert]:
    """Return the queues in which a job has waited for long."""
    alerts = []
    for queue in asked.parts.catalog.queues:
        waited_s = (await asked.parts.history.stats(queue)).oldest_queued_s or 0.0
        if waited_s > OLD_QUEUE_S:
            text, since = f"a job has waited for {waited_s / 60:.0f} min", asked.now - timedelta(seconds=waited_s)
            command, link = "kaboom jobs list --all --status queued", f"/api/v1/jobs?status=queued&queue={queue.value}"
            alerts.append(Alert(Kind.QUEUE_OLD, Severity.PAGE, text, command, link, queue.value, since))
    return alerts


async def find_missed_ingests(asked: Asked) -> list[Alert]:
    """Return the series whose daily ingest is overdue."""
    alerts = []
    for reading in await read_overdue(asked.parts):
        if reading.value > 0:
            market, interval = reading.labels
            text = f"the newest session is not complete, {reading.value / 3600:.1f} h after it was due"
            command = f"kaboom ingest backfill --market {market} --interval {interval}"
            link = f"/api/v1/coverage/sessions?market={market}&interval={interval}"
            since = asked.now - timedelta(seconds=reading.value)
            alerts.append(Alert(Kind.INGEST_MISSED, Severity.PAGE, text, command, link, f"{market} {interval}", since))
    return alerts


async def find_overdue_schedules(asked: Asked) -> list[Alert]:
    """Return the enabled schedules that are overdue."""
    alerts = []
    for schedule in await asked.parts.database.open(open_schedules).list_schedules(asked.owner):
        late_s = (asked.now - (schedule.next_at or asked.now)).total_seconds()
        if schedule.is_enabled and late_s > PUNCTUAL_S:
            text = f"it is {late_s / 60:,.0f} min overdue: no worker fires it"
            link = f"/api/v1/schedules/{schedule.schedule_id}"
            alerts.append(
                Alert(
                    Kind.SCHEDULE_OVERDUE, Severity.PAGE, text, "kaboom worker", link, schedule.name, schedule.next_at
                )
            )
    return alerts


async def find_dead_letters(asked: Asked) -> list[Alert]:
    """Return an alert if chunks were given up and their jobs were not retried."""
    queues = tuple(sorted(asked.parts.catalog.queues))
    since = asked.now - timedelta(hours=DEAD_FOR_H)
    query = DeadLetterQuery(queues, asked.owner, since=since, is_retried=False, limit=_MOST_DEAD)
    letters = await asked.parts.history.dead_letters(query)
    if not letters:
        return []
    jobs = {letter.job_id for letter in letters}
    count = f"{_MOST_DEAD} or more" if len(letters) == _MOST_DEAD else f"{len(letters)}"
    text = (
        f"chunks in the last {DEAD_FOR_H} h: {count}, jobs: {len(jobs)}; symbols are missing until the jobs are retried"
    )
    command = f"kaboom jobs retry {jobs.pop()}" if len(jobs) == 1 else "kaboom jobs dead"
    link = "/api/v1/dead-letters?is_retried=false"
    return [Alert(Kind.DEAD_LETTERS, Severity.PAGE, text, command, link, since=letters[-1].given_up_at)]


async def find_paused_providers(asked: Asked) -> list[Alert]:
    """Return the providers that are paused."""
    return [
        Alert(
            Kind.PROVIDER_PAUSED,
            Severity.WARNING,
            f"it is asked nothing for another {pause.seconds:.0f} s: {pause.reason}",
            "kaboom jobs list --all --status running",
            "/api/v1/jobs?status=running",
            pause.provider,
        )
        for pause in await asked.parts.pauses()
    ]


async def find_old_list(asked: Asked) -> list[Alert]:
    """Return an alert if the newest list of symbols is old; bars that are made up need no newer one."""
    if not get_provider_spec(asked.parts.settings.provider).is_real:
        return []
    as_of: date = await asyncio.to_thread(find_newest_date, asked.parts.settings.symbols_dir)
    age_days = (asked.now.astimezone(JST).date() - as_of).days
    if age_days <= MOST_LIST_AGE_DAYS:
        return []
    text = f"the newest list is of {as_of}, {age_days} days ago: symbols listed later are missing"
    since = datetime.combine(as_of, datetime.min.time(), JST).astimezone(UTC) + timedelta(days=MOST_LIST_AGE_DAYS)
    link = "/api/v1/universe?market=TSE_PRIME"
    return [Alert(Kind.SYMBOL_LIST_OLD, Severity.WARNING, text, "kaboom symbols import data_j.xls", link, since=since)]


async def find_failing_channels(asked: Asked) -> list[Alert]:
    """Return the channels of notifications whose last attempts failed."""
    return [
        Alert(
            Kind.CHANNEL_FAILING,
            Severity.WARNING,
            f"the last {channel.failures} attempts failed: its notifications do not arrive",
            "kaboom notify log",
            f"/api/v1/notifications/messages?channel_id={channel.channel_id}",
            channel.name,
        )
        for channel in await asked.parts.database.open(open_notifications).rules.list_channels(asked.owner)
        if channel.is_failing
    ]
