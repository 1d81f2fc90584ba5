"""The Celery application: `celery -A app.tasks.celery_app worker …` consumes the five queues.

A message is only a hint and the lease is the truth (docs/decisions/0003), which is why so much of
what Celery offers is switched off here.
"""

import asyncio
import os
import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from celery import Celery
from celery.signals import (
    celeryd_init,
    setup_logging,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
)
from celery.worker.control import inspect_command
from kombu import Exchange
from kombu import Queue as BrokerQueue

from app.catalog import CATALOG
from app.engine.instruments import instrument_child
from app.engine.parts import broker_urls, check_parts
from app.engine.run.worker import perform
from app.jobs.job_type import JobType
from app.jobs.model import PLAN
from app.jobs.queues import Queue
from app.live.store import ChunkRef
from app.settings import load_settings
from app.tasks.brokers import broker_options, check_results, choose_broker, result_options
from app.tasks.loop import process_loop
from app.tasks.main_process import MainProcess
from app.tasks.shutdown import end_with_parent
from app.telemetry.logs import configure_logging
from app.telemetry.origin import continue_from
from app.telemetry.traces import stop_tracing
from batch.errors import ConfigurationError, InvalidRequest
from batch.kit.gc_tuning import freeze_loaded_objects

# Several processes share the cores: one polars thread each costs the least CPU. Read at its first import.
os.environ.setdefault("POLARS_MAX_THREADS", "1")


def _refusal(error: ConfigurationError) -> SystemExit:
    """Return what ends this process with one line and exit code 1."""
    return SystemExit(f"ConfigurationError: {error.message}")


try:
    _settings = load_settings()
    _brokers = broker_urls(_settings)
    _results = result_options(_settings.find_result_url())
except ConfigurationError as e:
    # Celery would print a traceback of this import.
    raise _refusal(e) from None

#: A job's id, or a chunk's number, or the plan step.
_NAME = re.compile(f"[0-9a-f]{{32}}|[0-9]{{1,9}}|{PLAN}")

celery_app = Celery("kaboom")
# Not `result_backend`: CELERY_RESULT_BACKEND of the environment wins over it, as it was written.
celery_app.backend_cls, _result_backend_options = _results
celery_app.conf.update(
    # What is asked of workers, such as `inspect ping`, goes to the broker that is not a queue's own.
    broker_options(_settings.require_broker_url(), "CELERY_BROKER_URL"),
    # An acknowledged message is gone and its lease is not: late acknowledgement runs long tasks twice,
    # and crashes a 5.7 worker that holds a message while Redis goes away.
    task_acks_late=False,
    task_reject_on_worker_lost=False,
    # Take a message only for a free process: a prefetched one is stranded when the worker dies.
    worker_disable_prefetch=True,
    worker_prefetch_multiplier=1,
    # Chunks leave no result keys and open no pub/sub; a job's own task does, so that AsyncResult(job_id) works.
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    result_expires=86_400,
    result_failure_expires=604_800,
    result_extended=True,
    task_track_started=True,
    result_backend_transport_options=_result_backend_options,
    redis_socket_timeout=5,
    redis_socket_connect_timeout=3,
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    # A stuck child is killed; its lease runs out and the chunk starts elsewhere.
    task_time_limit=1800,
    task_soft_time_limit=1740,
    worker_concurrency=_settings.slots,
    # Against leaks; KiB, checked between tasks: 4 children and the parent stay under 4 GiB.
    worker_max_tasks_per_child=200,
    worker_max_memory_per_child=700_000,
    # How long running chunks may still end by themselves.
    worker_soft_shutdown_timeout=6,
    worker_enable_soft_shutdown_on_idle=False,
    # No late acknowledgements, so nothing is cancelled; says so to Celery and silences its warning.
    worker_cancel_long_running_tasks_on_connection_loss=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # A typo in a queue's name is an error, not a new queue that nobody empties.
    task_create_missing_queues=False,
    task_queues=[BrokerQueue(queue.value, Exchange(queue.value), routing_key=queue.value) for queue in Queue],
    task_default_queue=Queue.INGEST.value,
    task_routes={f"{queue.value}.*": {"queue": queue.value} for queue in Queue},
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    timezone="Asia/Tokyo",
    enable_utc=True,
)


def _register(job_type: JobType) -> None:
    @celery_app.task(name=job_type.name, ignore_result=False, bind=True)
    def plan(self: Any, /, job_id: str) -> str:
        return _perform(ChunkRef(job_type.queue.value, job_id, PLAN), self.request.headers)

    if job_type.queue.chunk_name in celery_app.tasks:
        return

    @celery_app.task(name=job_type.queue.chunk_name, bind=True)
    def chunk(self: Any, /, job_id: str, n: str) -> str:
        return _perform(ChunkRef(job_type.queue.value, job_id, n), self.request.headers)


def _perform(ref: ChunkRef, headers: Mapping[str, Any] | None) -> str:
    # Anything else could name another key of Redis, or be refused by its driver again and again.
    if not all(isinstance(name, str) and _NAME.fullmatch(name) for name in (ref.job_id, ref.n)):
        raise InvalidRequest(f"the message names job {ref.job_id!r:.50}, chunk {ref.n!r:.50}: neither can be")
    loop = process_loop()

    async def perform_for_origin() -> str:
        with continue_from(headers or {}):
            return await perform(loop.parts, ref)

    return loop.run(perform_for_origin())


for _job_type in CATALOG:
    _register(_job_type)


@setup_logging.connect
def _configure_logging(**_signal: Any) -> None:
    configure_logging(log_format=_settings.log_format, level=_settings.log_level)


@celeryd_init.connect
def _name_node(sender: str, instance: Any, **_signal: Any) -> None:
    """Give the worker a name of its own on a machine that has none, as on Cloud Run: answers are told apart by it."""
    if sender.endswith("@localhost"):
        instance.hostname = f"{sender}-{uuid4().hex[:8]}"


@celeryd_init.connect
def _choose_broker(conf: Any, options: Mapping[str, Any], **_signal: Any) -> None:
    """Consume from the broker that the queues of this worker are on."""
    try:
        conf.update(broker_options(*choose_broker(_brokers, options.get("queues") or ())))
    except ConfigurationError as e:
        raise _refusal(e) from None


@inspect_command()
def kaboom_release(_state: Any, **_options: Any) -> dict[str, str | None]:
    """Tell which release this worker is."""
    return {"release": _settings.release}


@worker_init.connect
def _check_parts(**_signal: Any) -> None:
    """Refuse to start on a Redis that may drop jobs; before the fork, on a loop that leaves nothing behind."""

    async def check() -> None:
        await check_parts(_settings, CATALOG, role="worker-start")
        await check_results(_settings.find_result_url())

    try:
        asyncio.run(check())
    except ConfigurationError as e:
        # Celery logs an exception of a signal's receiver and goes on.
        raise _refusal(e) from e
    freeze_loaded_objects()


@worker_process_init.connect
def _start_child(**_signal: Any) -> None:
    parent = os.getppid()
    instrument_child(_settings.otlp_endpoint)
    process_loop().start(lambda _: end_with_parent(parent))


@worker_process_shutdown.connect
def _stop_child(**_signal: Any) -> None:
    process_loop().stop()
    stop_tracing()


@worker_ready.connect
def _report(sender: Any, **_signal: Any) -> None:
    step = next(step for step in sender.controller.steps if isinstance(step, MainProcess))
    step.report()


celery_app.steps["worker"].add(MainProcess)
