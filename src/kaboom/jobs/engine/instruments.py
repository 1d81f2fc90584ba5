"""Turn on the traces and metrics that the settings ask for; their libraries are loaded only then."""

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

from starlette.applications import Starlette

from kaboom.jobs.engine.gauges import metrics_route
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.run.measure import ERROR_ENDINGS
from kaboom.jobs.job_type import Catalog
from kaboom.providers.registry import provider_names
from kaboom.providers.watch import Heard, listen_to_waits, watch_requests
from kaboom.telemetry.endpoint import open_socket, serve
from kaboom.telemetry.metrics import (
    CHUNKS,
    DEAD_LETTERS,
    FAILED_LOGINS,
    JOBS_RESTORED,
    LEASES_EXPIRED,
    PROVIDER_PAUSED_SECONDS,
    PROVIDER_PAUSES,
    PROVIDER_WAIT_SECONDS,
    Meter,
    count,
    is_counting,
    provider_request,
    use_meter,
)
from kaboom.telemetry.traces import span, start_tracing


def instrument_api(parts: Parts) -> list[Coroutine[Any, Any, None]]:
    """Turn on the metrics of an API process, and return the coroutines that serve them.

    Raises:
        ConfigurationError: the port for metrics is taken.

    """
    settings = parts.settings
    watch_requests(_watch)
    listen_to_waits(_count_wait)
    if settings.metrics_port is None:
        return []
    from kaboom.telemetry.prometheus import PrometheusMeter  # noqa: PLC0415  off by default

    meter = PrometheusMeter()
    _use(meter, parts.catalog)
    for labels in product(("password", "token"), ("wrong", "held")):
        meter.count(FAILED_LOGINS, labels, 0)
    page = Starlette(routes=[metrics_route(parts, meter)])
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
    listen_to_waits(_count_wait)
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
        for name, ending in product((job_type.name, job_type.queue.chunk_name), ERROR_ENDINGS):
            meter.count(CHUNKS, (name, ending), 0)
        for metric in (LEASES_EXPIRED, DEAD_LETTERS, JOBS_RESTORED):
            meter.count(metric, (job_type.queue,), 0)
    for provider in provider_names():
        meter.count(PROVIDER_PAUSED_SECONDS, (provider,), 0)


@contextmanager
def _watch(provider: str) -> Iterator[None]:
    with span("fetch", provider=provider), provider_request(provider):
        yield


def _count_wait(provider: str, heard: Heard, seconds: float) -> None:
    if heard is Heard.PAUSED:
        count(PROVIDER_PAUSES, provider)
        count(PROVIDER_PAUSED_SECONDS, provider, by=seconds)
    else:
        count(PROVIDER_WAIT_SECONDS, provider, by=seconds)
