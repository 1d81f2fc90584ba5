"""What is read when metrics are asked for: how long the queues are, and who works on them."""

import asyncio
from time import monotonic

from starlette.requests import Request
from starlette.responses import Response

from app.tasks.catalog import CATALOG, Queue
from app.tasks.parts import Parts
from app.telemetry.metrics import (
    LEASES_ACTIVE,
    QUEUE_DEPTH,
    QUEUE_OLDEST_SECONDS,
    WORKERS_ONLINE,
    Meter,
    Reading,
)
from batch.errors import KaboomError

#: However many scrape, stores are asked this often.
_KEPT_S = 5.0
_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class MetricsPage:
    """The page of `/metrics`: what was counted, and gauges at most five seconds old."""

    def __init__(self, parts: Parts, meter: Meter) -> None:
        self._parts = parts
        self._meter = meter
        self._readings: list[Reading] = []
        self._read_at = -_KEPT_S
        self._lock = asyncio.Lock()

    async def show(self, _request: Request) -> Response:
        """Answer with every metric; while a store is away, without the gauges."""
        async with self._lock:
            if monotonic() - self._read_at >= _KEPT_S:
                self._readings = await read_gauges(self._parts)
                self._read_at = monotonic()
        # Files of a whole tree of processes are read: beside the loop, which renews leases.
        text = await asyncio.to_thread(self._meter.render, self._readings)
        return Response(text, media_type=_MEDIA_TYPE)


async def read_gauges(parts: Parts) -> list[Reading]:
    """Return the gauges of every queue; none while a store is away, since an old number would be a wrong one."""
    try:
        workers = await parts.store.workers()
        readings = [Reading(WORKERS_ONLINE, len(workers))]
        for queue in Queue:
            readings.append(Reading(QUEUE_DEPTH, await parts.dispatcher.depth(queue), (queue,)))
            readings.append(Reading(LEASES_ACTIVE, await parts.store.running(queue), (queue,)))
        for queue in sorted({spec.queue for spec in CATALOG}):
            stats = await parts.history.stats(queue)
            readings.append(Reading(QUEUE_OLDEST_SECONDS, stats.oldest_queued_s or 0.0, (queue,)))
    except KaboomError:
        return []
    return readings
