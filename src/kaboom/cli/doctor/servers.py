"""Check the servers: Redis, the broker, the ledger, workers and schedules."""

import asyncio
from dataclasses import dataclass

from pydantic import SecretStr

from kaboom.cli.doctor.finding import Finding
from kaboom.cli.doctor.machine import is_supervised
from kaboom.cli.session import Session
from kaboom.client.places import find_run
from kaboom.drivers.clock import utc_now
from kaboom.errors import ConfigurationError, StoreError
from kaboom.jobs.engine.dispatch import Dispatcher
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.postgres.port import JobHistory
from kaboom.jobs.redis.store import JobStore
from kaboom.notify.model import NotificationRules
from kaboom.notify.store import open_notifications
from kaboom.schedules.model import PUNCTUAL_S, ScheduleStore
from kaboom.schedules.store import open_schedules
from kaboom.web.auth.principals import DEFAULT_OWNER

#: Words in the errors of PostgreSQL and Redis when they are full.
_NO_ROOM = ("No space left", "DiskFull", "OutOfMemory", "OOM", "MISCONF")
#: The fix if a server is full.
_MORE_ROOM = {
    "PostgreSQL": "give PostgreSQL more room: free its disk",
    "Redis": "give Redis more room: free its disk, or raise its maxmemory",
}
#: The fix if a server stopped between its check and a later query.
_ASK_AGAIN = "run `kaboom doctor` again"


@dataclass(frozen=True, slots=True)
class _Place:
    """A server: the setting that names it, whether `kaboom up` started it, and whether `kaboom up` still runs."""

    server: str
    setting: str
    is_ours: bool
    is_supervised: bool

    def mend(self, message: str) -> str:
        """Return how to fix a server that answered with this message."""
        if any(words in message for words in _NO_ROOM):
            return _MORE_ROOM[self.server]
        if self.is_ours and self.is_supervised:
            return f"`kaboom up` restarts {self.server} by itself; if it does not, see logs/ in the data folder"
        return "kaboom up" if self.is_ours else f"start {self.server}, or correct {self.setting}"


async def find_servers(session: Session, parts: Parts) -> list[Finding]:
    """Return the state of each server after a query and a small write."""
    settings = parts.settings

    def place(server: str, setting: str, url: SecretStr | None) -> _Place:
        run = find_run(session.find_data_dir())
        is_ours = url is not None and url.get_secret_value() in {run.get("redis_url"), run.get("database_url")}
        return _Place(server, setting, is_ours, is_supervised(session))

    redis = await _redis("redis", parts.store, place("Redis", "REDIS_URL", settings.redis_url))
    findings = [redis]
    if not settings.disable_celery:
        broker = place("Redis", settings.broker_setting, settings.celery_broker_url or settings.redis_url)
        findings.append(await _redis("broker", parts.dispatcher, broker))
    database = await _database(
        parts.history, settings.database_url, place("PostgreSQL", "DATABASE_URL", settings.database_url)
    )
    findings.append(database)
    workers = await _workers(parts.store) if redis.verdict == "ok" else None
    if workers:
        findings.append(workers)
    if database.verdict == "ok":
        has_workers = workers is not None and workers.verdict == "ok"
        findings.append(await _schedules(parts.database.open(open_schedules), has_workers=has_workers))
        findings += await _channels(parts.database.open(open_notifications).rules)
    return findings


async def _workers(store: JobStore) -> Finding:
    try:
        workers = await store.workers()
    except StoreError as e:
        return Finding("workers", "fault", e.message, _ASK_AGAIN)
    slots = sum(worker.slots for worker in workers)
    detail = f"{len(workers)} online with {slots} slots"
    return Finding("workers", "ok", detail) if workers else Finding("workers", "warning", detail, "kaboom worker")


async def _redis(part: str, store: JobStore | Dispatcher, place: _Place) -> Finding:
    try:
        await store.check()
        await store.try_write()
    except ConfigurationError as e:
        keep_all = f'redis-cli -u "${place.setting}" CONFIG SET maxmemory-policy noeviction'
        mend = keep_all if "maxmemory-policy" in e.message else f"correct {place.setting}"
        return Finding(part, "fault", e.message, mend)
    except StoreError as e:
        return Finding(part, "fault", e.message, place.mend(e.message))
    return Finding(part, "ok", "takes a write, and evicts nothing")


async def _database(history: JobHistory, url: SecretStr | None, place: _Place) -> Finding:
    from kaboom.cli.stack.migrate import check_schema  # noqa: PLC0415  Alembic costs 0.2 s that no other command needs

    try:
        if url is not None:
            await asyncio.to_thread(check_schema, url.get_secret_value())
        await history.try_write()
    except StoreError as e:
        mend = "kaboom migrate" if "kaboom migrate" in e.message else place.mend(e.message)
        return Finding("database", "fault", e.message, mend)
    return Finding("database", "ok", "takes a write, and its schema is this release's")


async def _schedules(schedules: ScheduleStore, *, has_workers: bool) -> Finding:
    try:
        found = [s for s in await schedules.list_schedules(DEFAULT_OWNER) if s.is_enabled]
    except StoreError as e:
        return Finding("schedules", "fault", e.message, _ASK_AGAIN)
    if not found:
        return Finding("schedules", "ok", "none is enabled; `kaboom schedules list` shows all")
    late_s = max((utc_now() - (s.next_at or utc_now())).total_seconds() for s in found)
    if late_s > PUNCTUAL_S:
        mend = "check the log of a worker's main process, which fires schedules" if has_workers else "kaboom worker"
        return Finding("schedules", "fault", f"one is {late_s / 60:,.0f} min overdue: no worker fires it", mend)
    names = ", ".join(schedule.name for schedule in found)
    return Finding("schedules", "ok", f"{len(found)} enabled: {names}")


async def _channels(rules: NotificationRules) -> list[Finding]:
    """Return a warning for each channel of notifications that fails; one line if none does."""
    try:
        channels = [each for each in await rules.list_channels(DEFAULT_OWNER) if each.is_enabled]
    except StoreError as e:
        return [Finding("notifications", "fault", e.message, _ASK_AGAIN)]
    failing = [
        Finding(
            "notifications",
            "warning",
            f"channel {channel.name}: the last {channel.failures} attempts failed",
            "`kaboom notify log` says why; correct the channel's URL, or turn it off",
        )
        for channel in channels
        if channel.is_failing
    ]
    return failing or [Finding("notifications", "ok", f"channels that are on: {len(channels)}; none keeps failing")]
