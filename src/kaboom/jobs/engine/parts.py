"""The composition root of API and workers: builds job store, ledger and dispatcher from the settings."""

import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

import structlog

from kaboom.bars.influx.target import build_target
from kaboom.drivers.postgres.database import Database, open_database
from kaboom.drivers.redis.address import is_redis, parse_address
from kaboom.drivers.redis.client import Redis, connect_redis
from kaboom.errors import ConfigurationError, StoreError
from kaboom.jobs.callbacks.url_guard import CallbackRules, UrlGuard, parse_secrets, parse_trusted
from kaboom.jobs.engine.dispatch import Broker, CeleryDispatcher, Dispatcher, LocalDispatcher
from kaboom.jobs.job_type import Catalog
from kaboom.jobs.model import Queue
from kaboom.jobs.postgres.files import JobFiles
from kaboom.jobs.postgres.opening import open_history, open_job_files
from kaboom.jobs.postgres.port import JobHistory
from kaboom.jobs.redis.celery_results import CeleryResults, JobResults, NoResults
from kaboom.jobs.redis.events import EventLog, RedisEventLog
from kaboom.jobs.redis.lines import LineWriter
from kaboom.jobs.redis.memory import MemoryJobStore
from kaboom.jobs.redis.redis_store import RedisJobStore
from kaboom.jobs.redis.store import JobStore
from kaboom.providers.limiter.pauses import ProviderPause, read_pauses
from kaboom.providers.registry import provider_names
from kaboom.settings import AppSettings
from kaboom.telemetry.logs import tap_lines

_log = structlog.get_logger(__name__)


async def _read_pauses(redis: Redis | None = None) -> Sequence[ProviderPause]:
    if redis is None:
        return ()
    return await read_pauses(redis, provider_names())


@dataclass(frozen=True, slots=True)
class Parts:
    """What a process needs to accept, run and watch jobs. Claims and logs name the process by `name`.

    Other features open their own stores in `database`.
    """

    settings: AppSettings
    database: Database
    history: JobHistory
    files: JobFiles
    store: JobStore
    dispatcher: Dispatcher
    events: EventLog
    catalog: Catalog
    name: str
    callbacks: CallbackRules = field(default_factory=CallbackRules)
    results: JobResults = field(default_factory=NoResults)
    #: Celery's name of the worker that this process belongs to; a process without a worker has a default.
    node: str = field(default_factory=lambda: f"kaboom@{socket.gethostname()}")
    #: The connection of the live state, which other features share; None without Redis.
    redis: Redis | None = None
    #: Returns the providers that are paused now; none without Redis.
    pauses: Callable[[], Awaitable[Sequence[ProviderPause]]] = _read_pauses
    #: Called before the connections are released.
    before_close: Callable[[], Awaitable[None]] | None = None

    async def check(self) -> None:
        """Check that Redis and the broker are safe to use; an unavailable server is skipped with a warning.

        Raises:
            ConfigurationError: a Redis may drop jobs to make room, or is a node of a cluster.

        """
        for part in (self.store, self.dispatcher):
            try:
                await part.check()
            except StoreError as e:
                _log.warning("check_put_off", reason=e.message)

    async def close(self) -> None:
        """Release every connection."""
        if self.before_close:
            await self.before_close()
        await self.dispatcher.close()
        await self.results.close()
        await self.store.close()
        await self.database.close()


def build_parts(settings: AppSettings, catalog: Catalog, *, role: str) -> Parts:
    """Build the parts from the settings, on the event loop that will use them.

    Raises:
        ConfigurationError: the settings cannot work together.

    """
    if settings.disable_redis and not settings.disable_celery:
        raise ConfigurationError("DISABLE_REDIS was true and DISABLE_CELERY false: Celery's broker here is Redis")
    if settings.provider not in provider_names():
        known = ", ".join(sorted(provider_names()))
        raise ConfigurationError(f"KABOOM_PROVIDER was {settings.provider[:40]!r}, expected one of {known}")
    if lacking := settings.lacking_for(settings.provider):
        raise ConfigurationError(lacking)
    _check_bar_store(settings)
    name = name_process(role)
    redis = None if settings.disable_redis else connect_redis(settings.require_redis_url(), client_name=name)
    store, events = _build_store(redis)
    database = _open_database(settings, name, role)
    return Parts(
        settings=settings,
        database=database,
        history=database.open(open_history),
        files=database.open(open_job_files),
        store=store,
        dispatcher=_build_dispatcher(settings, name),
        events=events,
        catalog=catalog,
        name=name,
        callbacks=_build_callbacks(settings),
        results=_build_results(settings, name, redis),
        redis=redis,
        pauses=partial(_read_pauses, redis),
        before_close=_copy_lines(events),
    )


def name_process(role: str) -> str:
    """Return a unique name: on Cloud Run every instance is called `localhost`, and every main process has pid 1."""
    return f"{role}@{socket.gethostname()}:{os.getpid()}-{uuid4().hex[:4]}"


async def check_parts(settings: AppSettings, catalog: Catalog, *, role: str) -> None:
    """Check the parts of the settings before a server starts or a worker forks, and close them again.

    Raises:
        ConfigurationError: the settings cannot work together, or a part is not safe to use.

    """
    parts = build_parts(settings, catalog, role=role)
    if folder := settings.find_left_bars():
        _log.warning("bars_not_read", folder=str(folder), fix="kaboom bars copy --from pages")
    try:
        await parts.check()
    finally:
        await parts.close()


def _check_bar_store(settings: AppSettings) -> None:
    """Reject a bar store that would otherwise fail in the first chunk of each worker."""
    if settings.bar_store == "memory" and not settings.disable_celery:
        raise ConfigurationError(
            "KABOOM_BAR_STORE was memory and DISABLE_CELERY false: each worker process would keep bars of its own"
        )
    if settings.keeps_bars_in_postgres:
        settings.require_database_url()
    if settings.keeps_bars_in_influxdb:
        build_target(
            settings.influxdb_host, settings.influxdb_secret, org=settings.influxdb_org, api=settings.influxdb_api
        )


def _copy_lines(events: EventLog) -> Callable[[], Awaitable[None]]:
    """Copy the log lines of this process to the logs of their jobs; return the function that ends this."""
    writer = LineWriter(events)
    end_tap = tap_lines(writer.take)

    async def end() -> None:
        end_tap()
        await writer.close()

    return end


def _build_store(redis: Redis | None) -> tuple[JobStore, EventLog]:
    if redis is not None:
        return RedisJobStore(redis), RedisEventLog(redis)
    store = MemoryJobStore()
    return store, store.events


def _build_results(settings: AppSettings, name: str, live: Redis | None) -> JobResults:
    """Return the store of results; Kaboom writes only the format of Celery's Redis backend."""
    url = settings.find_result_url()
    if live is None or settings.disable_celery or not is_redis(url):
        return NoResults()
    is_shared = url == settings.require_redis_url()
    return CeleryResults(live if is_shared else connect_redis(url, client_name=f"{name}-results"))


def _pool_size(most: int, role: str) -> int:
    """Return how many PostgreSQL connections a process may open; a pool child, with one chunk at a time, needs few."""
    return {"worker-main": max(2, most // 2), "worker": max(2, most // 4)}.get(role, most)


def _open_database(settings: AppSettings, name: str, role: str) -> Database:
    if settings.disable_redis and settings.database_url is None:
        _log.warning("history_in_memory", reason="DATABASE_URL is not set; job history ends with this process")
        return Database()
    return open_database(settings.require_database_url(), name=name, pool_size=_pool_size(settings.database_pool, role))


def _build_dispatcher(settings: AppSettings, name: str) -> Dispatcher:
    if settings.disable_celery:
        return LocalDispatcher()
    by_url: dict[str, Broker] = {}
    brokers = {}
    for queue, (url, setting) in broker_urls(settings).items():
        if url not in by_url:
            by_url[url] = Broker(
                connect_redis(url, client_name=f"{name}-broker"), setting, parse_address(url, setting).database
            )
        brokers[queue] = by_url[url]
    return CeleryDispatcher(brokers)


def broker_urls(settings: AppSettings) -> dict[str, tuple[str, str]]:
    """Return for every queue the URL of its broker, and the setting that names it.

    Raises:
        ConfigurationError: no broker is set, or KABOOM_QUEUE_BROKERS names an unknown queue.

    """
    apart, default = settings.find_queue_brokers(), settings.require_broker_url()
    queues = [queue.value for queue in Queue]
    if unknown := sorted(apart.keys() - set(queues)):
        raise ConfigurationError(f"KABOOM_QUEUE_BROKERS named {', '.join(unknown)}, known are {', '.join(queues)}")
    return {
        queue: (apart[queue], "KABOOM_QUEUE_BROKERS") if queue in apart else (default, settings.broker_setting)
        for queue in queues
    }


def _build_callbacks(settings: AppSettings) -> CallbackRules:
    secrets = settings.webhook_secret.get_secret_value() if settings.webhook_secret else ""
    return CallbackRules(UrlGuard(trusted=parse_trusted(settings.webhook_hosts or "")), parse_secrets(secrets))
