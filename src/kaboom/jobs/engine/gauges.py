"""The gauges of `/metrics`: queues, workers, the load of Redis, and the gauges of the job types."""

import asyncio
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kaboom.errors import KaboomError
from kaboom.jobs.engine.asking import RecentAnswer
from kaboom.jobs.engine.loading import load_function
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.queues import Queue
from kaboom.telemetry.metrics import (
    LEASES_ACTIVE,
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
)

#: The stores are asked at most this often, however many clients scrape.
_KEPT_S = 5.0
_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics_route(parts: Parts, meter: Meter) -> Route:
    """Return the page of `/metrics`: counters, and gauges that are at most five seconds old."""
    gauges = RecentAnswer(partial(read_gauges, parts), for_s=_KEPT_S)

    async def show(_request: Request) -> Response:
        readings = await gauges.get()
        # This reads files of all processes of a worker: in a thread, since the event loop renews leases.
        text = await asyncio.to_thread(meter.render, readings)
        return Response(text, media_type=_MEDIA_TYPE)

    return Route("/metrics", show)


async def read_gauges(parts: Parts) -> list[Reading]:
    """Return all gauges; none while a store is unavailable, since old numbers would be wrong."""
    try:
        return [*await _read_queues(parts), *await _read_features(parts), *await _read_servers(parts)]
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


async def _read_features(parts: Parts) -> list[Reading]:
    """Return the gauges of the job types, such as missing ingests."""
    functions = [await load_function(job_type.gauges) for job_type in parts.catalog if job_type.gauges]
    return [reading for read in functions for reading in await read(parts)]


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
