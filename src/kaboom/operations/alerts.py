"""The alerts: their kinds, a source for each, asked at the same time; one that does not answer affects no other."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path

import structlog

from kaboom.drivers.clock import utc_now
from kaboom.drivers.disk import measure_room
from kaboom.errors import KaboomError
from kaboom.health.routes import Readiness
from kaboom.jobs.engine.dispatch import Dispatcher
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.model import USER_QUEUES, JobStatus, Queue, job_links
from kaboom.jobs.postgres.dead_letters import DeadLetterQuery
from kaboom.jobs.postgres.port import JobHistory, JobQuery
from kaboom.jobs.redis.store import JobStore, OnServers
from kaboom.market.calendar import JST
from kaboom.market.lists.snapshot import find_newest_date
from kaboom.notify.model import NotificationRules
from kaboom.notify.store import open_notifications
from kaboom.providers.limiter.pauses import ProviderPause
from kaboom.providers.registry import get_provider_spec
from kaboom.schedules.model import PUNCTUAL_S, ScheduleStore
from kaboom.schedules.overdue import read_overdue
from kaboom.schedules.store import open_schedules
from kaboom.telemetry.metrics import Reading

#: Thresholds that are also in the rules of Prometheus (`infra/alerts/kaboom.rules.yaml`); a test compares them.
MANY_LOST = 3
OLD_QUEUE_S = 600
FULL_REDIS = 0.70
#: JPX publishes its list of issues once a month.
MOST_LIST_AGE_DAYS = 45
#: How far back chunks that were given up are listed.
DEAD_FOR_H = 24
#: How far back jobs that failed are listed.
FAILED_FOR_H = 24


class Severity(StrEnum):
    """How urgent an alert is."""

    PAGE = "page"  # somebody is needed now
    WARNING = "warning"  # it can wait until the morning


class Kind(StrEnum):
    """The kinds of alerts; `kaboom.text.tables` has their titles."""

    STORE_AWAY = "store_away"
    DISK_FULL = "disk_full"
    REDIS_MEMORY_HIGH = "redis_memory_high"
    NO_WORKER = "no_worker"
    WORKERS_LOST = "workers_lost"
    QUEUE_OLD = "queue_old"
    INGEST_MISSED = "ingest_missed"
    SCHEDULE_OVERDUE = "schedule_overdue"
    DEAD_LETTERS = "dead_letters"
    JOBS_FAILED = "jobs_failed"
    PROVIDER_PAUSED = "provider_paused"
    SYMBOL_LIST_OLD = "symbol_list_old"
    CHANNEL_FAILING = "channel_failing"


#: The matching rule of Prometheus, by kind; if the kind alerts earlier, the rule is the more severe case.
RULES = {
    Kind.STORE_AWAY: "KaboomStoreAway",
    Kind.REDIS_MEMORY_HIGH: "KaboomRedisMemoryHigh",
    Kind.NO_WORKER: "KaboomNoWorker",
    Kind.WORKERS_LOST: "KaboomWorkersLost",
    Kind.QUEUE_OLD: "KaboomQueueOld",
    Kind.INGEST_MISSED: "KaboomIngestMissed",
    Kind.DEAD_LETTERS: "KaboomDeadLetters",
    Kind.PROVIDER_PAUSED: "KaboomProviderPaused",
}


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    Attributes:
        about: which part, queue, series, schedule, provider or channel; "" if there is only one.
        detail: a sentence in English, which the catalogue of details translates.
        command: the first command to run.
        link: the path in this API that shows it.
        since: when it began; None if that is unknown.

    """

    kind: Kind
    severity: Severity
    detail: str
    command: str
    link: str
    about: str = ""
    since: datetime | None = None


_READYZ = "/readyz"
_VITAL = frozenset({"redis", "database", "broker"})
#: More dead letters are counted as "100 or more".
_MOST_DEAD = 100
_FAILED = frozenset({JobStatus.FAILED, JobStatus.PARTIAL})


async def find_stores(readiness: Readiness) -> list[Alert]:
    """Return the parts that accept no write."""
    ready = await readiness.get()
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


async def find_disks(folders: Mapping[str, Path]) -> list[Alert]:
    """Return the nearly full disks of named folders, each disk once, as this process sees them."""
    seen, alerts = set[int](), list[Alert]()
    for name, folder in folders.items():
        room = await asyncio.to_thread(measure_room, folder)
        if room.device not in seen and (text := room.fault or room.warning):
            severity = Severity.PAGE if room.fault else Severity.WARNING
            alerts.append(Alert(Kind.DISK_FULL, severity, text, "kaboom doctor", _READYZ, name))
        seen.add(room.device)
    return alerts


async def find_full_redis(store: OnServers, dispatcher: OnServers) -> list[Alert]:
    """Return the Redis servers whose memory is nearly full."""
    loads = {**await store.measure_servers(), **await dispatcher.measure_servers()}
    alerts, seen = [], set[str]()
    for name, load in loads.items():
        share = (load.memory_used or 0) / load.memory_max if load.memory_max else 0.0
        if share >= FULL_REDIS and load.run_id not in seen:
            text = f"{100 * share:.0f} % of its memory is used; at 100 % Redis refuses writes"
            alerts.append(Alert(Kind.REDIS_MEMORY_HIGH, Severity.PAGE, text, "kaboom doctor", _READYZ, name))
        seen.add(load.run_id)
    return alerts


async def find_workers(store: JobStore, dispatcher: Dispatcher, queues: Sequence[Queue]) -> list[Alert]:
    """Return an alert if no worker is online, and an alert if workers were lost."""
    alerts = list[Alert]()
    online, lost = await asyncio.gather(store.workers(), store.list_lost())
    newest = max((worker.seen_at for worker in lost), default=None)
    if not online:
        waiting = sum([await dispatcher.depth(queue) for queue in queues])
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


async def find_old_queues(history: JobHistory, queues: Sequence[Queue], now: datetime) -> list[Alert]:
    """Return the queues in which a job has waited for long."""
    alerts = []
    for queue in queues:
        waited_s = (await history.stats(queue)).oldest_queued_s or 0.0
        if waited_s > OLD_QUEUE_S:
            text, since = f"a job has waited for {waited_s / 60:.0f} min", now - timedelta(seconds=waited_s)
            command, link = "kaboom jobs list --all --status queued", f"/api/v1/jobs?status=queued&queue={queue.value}"
            alerts.append(Alert(Kind.QUEUE_OLD, Severity.PAGE, text, command, link, queue.value, since))
    return alerts


async def find_missed_ingests(read: Callable[[], Awaitable[Sequence[Reading]]], now: datetime) -> list[Alert]:
    """Return the series whose daily ingest is overdue; `read` returns how late each is."""
    alerts = []
    for reading in await read():
        if reading.value > 0:
            market, interval = reading.labels
            text = f"the newest session is not complete, {reading.value / 3600:.1f} h after it was due"
            command = f"kaboom ingest backfill --market {market} --interval {interval}"
            link = f"/api/v1/coverage/sessions?market={market}&interval={interval}"
            since = now - timedelta(seconds=reading.value)
            alerts.append(Alert(Kind.INGEST_MISSED, Severity.PAGE, text, command, link, f"{market} {interval}", since))
    return alerts


async def find_overdue_schedules(schedules: ScheduleStore, owner: str, now: datetime) -> list[Alert]:
    """Return the enabled schedules that are overdue."""
    alerts = []
    for schedule in await schedules.list_schedules(owner):
        late_s = (now - (schedule.next_at or now)).total_seconds()
        if schedule.is_enabled and late_s > PUNCTUAL_S:
            text = f"it is {late_s / 60:,.0f} min overdue: no worker fires it"
            link = f"/api/v1/schedules/{schedule.schedule_id}"
            alerts.append(
                Alert(
                    Kind.SCHEDULE_OVERDUE, Severity.PAGE, text, "kaboom worker", link, schedule.name, schedule.next_at
                )
            )
    return alerts


async def find_dead_letters(history: JobHistory, queues: Sequence[Queue], owner: str, now: datetime) -> list[Alert]:
    """Return an alert if chunks were given up and their jobs were not retried."""
    since = now - timedelta(hours=DEAD_FOR_H)
    query = DeadLetterQuery(tuple(sorted(queues)), owner, since=since, is_retried=False, limit=_MOST_DEAD)
    letters = await history.dead_letters(query)
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


def query_failed(owner: str, now: datetime, *, limit: int) -> JobQuery:
    """Return the query for an owner's jobs of the last day that failed, in whole or in part, and were not retried."""
    since = now - timedelta(hours=FAILED_FOR_H)
    return JobQuery(USER_QUEUES, owner, statuses=_FAILED, since=since, is_retried=False, limit=limit)


async def find_failed_jobs(history: JobHistory, owner: str, now: datetime) -> list[Alert]:
    """Return an alert if jobs of the last day failed, in whole or in part, and were not retried."""
    jobs = await history.list_jobs(query_failed(owner, now, limit=_MOST_DEAD))
    if not jobs:
        return []
    failed = sum(job.status is JobStatus.FAILED for job in jobs)
    text = (
        f"requested in the last {FAILED_FOR_H} h and not retried: {failed} failed, {len(jobs) - failed} failed in part"
    )
    link, command = (
        "/api/v1/jobs?status=failed&status=partial",
        "kaboom jobs list --all --status failed --status partial",
    )
    if len(jobs) == 1:
        link, command = job_links(jobs[0].queue, jobs[0].job_id)["self"], f"kaboom jobs show {jobs[0].job_id}"
    return [Alert(Kind.JOBS_FAILED, Severity.WARNING, text, command, link, since=jobs[-1].completed_at)]


async def find_paused_providers(pauses: Callable[[], Awaitable[Sequence[ProviderPause]]]) -> list[Alert]:
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
        for pause in await pauses()
    ]


async def find_old_list(provider: str, symbols_dir: Path, now: datetime) -> list[Alert]:
    """Return an alert if the newest list of symbols is old; bars that are made up need no newer one."""
    if not get_provider_spec(provider).is_real:
        return []
    as_of: date = await asyncio.to_thread(find_newest_date, symbols_dir)
    age_days = (now.astimezone(JST).date() - as_of).days
    if age_days <= MOST_LIST_AGE_DAYS:
        return []
    text = f"the newest list is of {as_of}, {age_days} days ago: symbols listed later are missing"
    since = datetime.combine(as_of, datetime.min.time(), JST).astimezone(UTC) + timedelta(days=MOST_LIST_AGE_DAYS)
    link = "/api/v1/universe?market=TSE_PRIME"
    return [Alert(Kind.SYMBOL_LIST_OLD, Severity.WARNING, text, "kaboom symbols import data_j.xls", link, since=since)]


async def find_failing_channels(rules: NotificationRules, owner: str) -> list[Alert]:
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
        for channel in await rules.list_channels(owner)
        if channel.is_failing
    ]


#: How long a source may take; all are asked at the same time.
_WITHIN_S = 3.0
_NEVER = datetime.max.replace(tzinfo=UTC)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AlertsFound:
    """The alerts, most severe first, and the kinds that could not be checked."""

    alerts: tuple[Alert, ...]
    unknown: tuple[Kind, ...]
    checked_at: datetime


async def find_alerts(parts: Parts, readiness: Readiness, owner: str) -> AlertsFound:
    """Return the current alerts for an owner."""
    now = utc_now()
    questions = ask_sources(parts, readiness, owner, now)
    answers = await asyncio.gather(*(_ask(kinds, question) for kinds, question in questions.items()))
    unknown = [kind for kinds, answer in zip(questions, answers, strict=True) if answer is None for kind in kinds]
    alerts = [alert for answer in answers for alert in answer or ()]
    alerts.sort(key=_place)
    return AlertsFound(tuple(alerts), tuple(unknown), now)


def ask_sources(
    parts: Parts, readiness: Readiness, owner: str, now: datetime
) -> dict[tuple[Kind, ...], Callable[[], Awaitable[list[Alert]]]]:
    """Return the question to each source, by the kinds of alerts that it finds."""
    settings, store, history, queues = parts.settings, parts.store, parts.history, parts.catalog.queues
    rules, schedules = parts.database.open(open_notifications).rules, parts.database.open(open_schedules)
    folders = {"data folder": settings.data_dir, "bars": settings.bars_dir}
    return {
        (Kind.STORE_AWAY,): partial(find_stores, readiness),
        (Kind.DISK_FULL,): partial(find_disks, folders),
        (Kind.REDIS_MEMORY_HIGH,): partial(find_full_redis, store, parts.dispatcher),
        (Kind.NO_WORKER, Kind.WORKERS_LOST): partial(find_workers, store, parts.dispatcher, queues),
        (Kind.QUEUE_OLD,): partial(find_old_queues, history, queues, now),
        (Kind.INGEST_MISSED,): partial(find_missed_ingests, partial(read_overdue, parts), now),
        (Kind.SCHEDULE_OVERDUE,): partial(find_overdue_schedules, schedules, owner, now),
        (Kind.DEAD_LETTERS,): partial(find_dead_letters, history, queues, owner, now),
        (Kind.JOBS_FAILED,): partial(find_failed_jobs, history, owner, now),
        (Kind.PROVIDER_PAUSED,): partial(find_paused_providers, parts.pauses),
        (Kind.SYMBOL_LIST_OLD,): partial(find_old_list, settings.provider, settings.symbols_dir, now),
        (Kind.CHANNEL_FAILING,): partial(find_failing_channels, rules, owner),
    }


def _place(alert: Alert) -> tuple[bool, bool, datetime]:
    """Return the sort key: the most severe first, of these a full disk, which causes most others, then the oldest."""
    return alert.severity is not Severity.PAGE, alert.kind is not Kind.DISK_FULL, alert.since or _NEVER


async def _ask(kinds: Sequence[Kind], question: Callable[[], Awaitable[list[Alert]]]) -> list[Alert] | None:
    try:
        async with asyncio.timeout(_WITHIN_S):
            return await question()
    except (KaboomError, TimeoutError) as e:
        _log.warning("alerts_not_found", kind=kinds[0].value, reason=str(e) or "no answer")
        return None
