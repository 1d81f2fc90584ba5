"""Turn on the traces and metrics that the settings ask for, and read the gauges; the libraries load only then."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import product
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kaboom.errors import KaboomError
from kaboom.jobs.engine.health_checks import RecentAnswer
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.run.completion import ERROR_ENDINGS
from kaboom.jobs.job_type import Catalog
from kaboom.jobs.model import Queue
from kaboom.providers.registry import provider_names
from kaboom.providers.watch import LimiterEvent, listen_to_waits, watch_requests
from kaboom.telemetry.backups import read_backups
from kaboom.telemetry.endpoint import open_socket, serve
from kaboom.telemetry.metrics import (
    CHUNKS,
    DATABASE_CONNECTIONS,
    DATABASE_CONNECTIONS_MAX,
    DATABASE_DISK_BYTES,
    DATABASE_SIZE_BYTES,
    DEAD_LETTERS,
    FAILED_LOGINS,
    JOBS_RESTORED,
    LEASES_ACTIVE,
    LEASES_EXPIRED,
    PROVIDER_PAUSED_SECONDS,
    PROVIDER_PAUSES,
    PROVIDER_WAIT_SECONDS,
    QUEUE_DEPTH,
    QUEUE_OLDEST_SECONDS,
    REDIS_CLIENTS,
    REDIS_CPU_SECONDS,
    REDIS_MEMORY_MAX_BYTES,
    REDIS_MEMORY_USED_BYTES,
    WORKERS_LOST,
    WORKERS_ONLINE,
    Meter,
    Reading,
    count,
    is_counting,
    provider_request,
    use_meter,
)
from kaboom.telemetry.traces import span, start_tracing

#: The stores are asked at most this often, however many clients scrape.
_KEPT_S = 5.0
_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


#: Returns readings of a feature, such as how late a daily ingest is.
type ReadMore = Callable[[Parts], Awaitable[Sequence[Reading]]]


def metrics_route(parts: Parts, meter: Meter, *, more: ReadMore) -> Route:
    """Return the page of `/metrics`: counters, and gauges that are at most five seconds old."""
    gauges = RecentAnswer(partial(read_gauges, parts, more=more), for_s=_KEPT_S)

    async def show(_request: Request) -> Response:
        readings = await gauges.get()
        # This reads files of all processes of a worker: in a thread, since the event loop renews leases.
        text = await asyncio.to_thread(meter.render, readings)
        return Response(text, media_type=_MEDIA_TYPE)

    return Route("/metrics", show)


async def read_gauges(parts: Parts, *, more: ReadMore) -> list[Reading]:
    """Return all gauges; none while a store is unavailable, since old numbers would be wrong."""
    try:
        return [
            *await _read_queues(parts),
            *await more(parts),
            *await _read_servers(parts),
            *await _read_database(parts),
            *await _read_backups(parts),
        ]
    except KaboomError:
        return []


async def _read_queues(parts: Parts) -> list[Reading]:
    store = parts.store
    # Concurrently: the store then reads both in one round trip.
    workers, lost = await asyncio.gather(store.workers(), store.list_lost())
    readings = [Reading(WORKERS_ONLINE, len(workers)), Reading(WORKERS_LOST, len(lost))]
    for queue in Queue:
        readings.append(Reading(QUEUE_DEPTH, await parts.dispatcher.depth(queue), (queue,)))
        readings.append(Reading(LEASES_ACTIVE, await store.running(queue), (queue,)))
    for queue in sorted(parts.catalog.queues):
        stats = await parts.history.stats(queue)
        readings.append(Reading(QUEUE_OLDEST_SECONDS, stats.oldest_queued_s or 0.0, (queue,)))
    return readings


async def _read_servers(parts: Parts) -> list[Reading]:
    """Return the load of each server once: the Redis of the live state is often the broker, too."""
    measured = {**await parts.store.measure_servers(), **await parts.dispatcher.measure_servers()}
    known = {load.run_id: name for name, load in reversed(measured.items()) if load.run_id}
    readings = []
    for name, load in measured.items():
        if known.get(load.run_id, name) == name:
            values = {
                REDIS_CPU_SECONDS: load.cpu_s,
                REDIS_MEMORY_USED_BYTES: load.memory_used,
                REDIS_MEMORY_MAX_BYTES: load.memory_max,
                REDIS_CLIENTS: load.clients,
            }
            readings += [Reading(metric, value, (name,)) for metric, value in values.items() if value is not None]
    return readings


async def _read_database(parts: Parts) -> list[Reading]:
    if parts.database.engine is None:
        return []
    from kaboom.jobs.postgres.load import measure_database  # noqa: PLC0415  SQLAlchemy, which a database in memory lacks

    load = await measure_database(parts.database.engine)
    values = {
        DATABASE_SIZE_BYTES: load.size,
        DATABASE_CONNECTIONS: load.connections,
        DATABASE_CONNECTIONS_MAX: load.max_connections,
    }
    if parts.settings.database_disk_gb:
        values[DATABASE_DISK_BYTES] = parts.settings.database_disk_gb * 1024**3
    return [Reading(metric, value) for metric, value in values.items()]


async def _read_backups(parts: Parts) -> list[Reading]:
    folder = parts.settings.backups_dir
    return [] if folder is None else await asyncio.to_thread(read_backups, folder)


def instrument_api(parts: Parts, *, more: ReadMore) -> list[Coroutine[Any, Any, None]]:
    """Turn on the metrics of an API process, and return the coroutines that serve them.

    Raises:
        ConfigurationError: the port for metrics is taken.

    """
    settings = parts.settings
    watch_requests(_watch)
    listen_to_waits(_count_limiter_event)
    if settings.metrics_port is None:
        return []
    from kaboom.telemetry.prometheus import PrometheusMeter  # noqa: PLC0415  off by default

    meter = PrometheusMeter()
    _use(meter, parts.catalog)
    for labels in product(("password", "token"), ("wrong", "held")):
        meter.count(FAILED_LOGINS, labels, 0)
    page = Starlette(routes=[metrics_route(parts, meter, more=more)])
    return [serve(page, open_socket(settings.side_host, settings.metrics_port))]


def share_meter(catalog: Catalog) -> Meter:
    """Return the meter of a worker's main process, and of the pool that it forks afterwards."""
    from kaboom.telemetry.prometheus import PrometheusMeter  # noqa: PLC0415  off by default
    from kaboom.telemetry.shared_folder import make_shared_folder  # noqa: PLC0415  an API has no use for it

    meter = PrometheusMeter(make_shared_folder())
    _use(meter, catalog)
    return meter


def instrument_child(otlp_endpoint: str | None) -> None:
    """Turn on the instruments of a process of the pool, after the fork."""
    watch_requests(_watch)
    listen_to_waits(_count_limiter_event)
    if otlp_endpoint:
        start_tracing(otlp_endpoint, service="kaboom-worker")
    if not is_counting():
        # The child was not forked: macOS spawns a new process.
        from kaboom.telemetry.shared_folder import find_shared_folder  # noqa: PLC0415  as above

        if folder := find_shared_folder():
            from kaboom.telemetry.prometheus import PrometheusMeter  # noqa: PLC0415  as above

            use_meter(PrometheusMeter(folder))


def _use(meter: Meter, catalog: Catalog) -> None:
    """Use a meter, and set each counter that an alert reads to 0.

    `increase()` of Prometheus misses the first error if the series begins with it.
    """
    use_meter(meter)
    for job_type in catalog:
        for name, ending in product((job_type.name, job_type.queue.chunk_name), (*ERROR_ENDINGS, "waiting")):
            meter.count(CHUNKS, (name, ending), 0)
        for metric in (LEASES_EXPIRED, DEAD_LETTERS, JOBS_RESTORED):
            meter.count(metric, (job_type.queue,), 0)
    for provider in provider_names():
        meter.count(PROVIDER_PAUSED_SECONDS, (provider,), 0)


@contextmanager
def _watch(provider: str) -> Iterator[None]:
    with span("fetch", provider=provider), provider_request(provider):
        yield


def _count_limiter_event(provider: str, event: LimiterEvent, seconds: float) -> None:
    if event is LimiterEvent.PAUSED:
        count(PROVIDER_PAUSES, provider)
        count(PROVIDER_PAUSED_SECONDS, provider, by=seconds)
    else:
        count(PROVIDER_WAIT_SECONDS, provider, by=seconds)
