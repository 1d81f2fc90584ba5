"""The Celery application: `celery -A app.tasks.celery_app worker …` consumes the five queues.

A message is only a hint and the lease is the truth (docs/decisions/0003), so much of Celery is switched off.
"""

import asyncio
import os
import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from uuid import uuid4

import structlog
from billiard import pool
from celery import Celery
from celery.exceptions import Retry
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

from kaboom.catalog import CATALOG
from kaboom.drivers.child_process.isolation import hide_memory
from kaboom.drivers.gc_tuning import freeze_loaded_objects
from kaboom.errors import ConfigurationError, InvalidRequest
from kaboom.jobs.engine.instruments import instrument_child
from kaboom.jobs.engine.parts import broker_urls, check_parts
from kaboom.jobs.engine.run.completion import ERROR_ENDINGS
from kaboom.jobs.engine.run.worker import perform
from kaboom.jobs.job_type import JobType
from kaboom.jobs.model import PLAN, Queue
from kaboom.jobs.redis.celery_results import FAILURE_EXPIRES_S, RESULT_EXPIRES_S
from kaboom.jobs.redis.store import ChunkRef
from kaboom.settings import load_settings
from kaboom.telemetry.logs import configure_logging
from kaboom.telemetry.traces import continue_from, stop_tracing
from kaboom.worker.brokers import broker_options, check_results, choose_broker, result_options
from kaboom.worker.loop import name_node, process_loop
from kaboom.worker.main_process import MainProcess
from kaboom.worker.shutdown import end_with_parent

# Several processes share the cores: one polars thread each costs the least CPU. polars reads it when imported.
os.environ.setdefault("POLARS_MAX_THREADS", "1")
_log = structlog.get_logger(__name__)


def _refusal(error: ConfigurationError) -> SystemExit:
    """Return the exception that ends this process with one line and exit code 1."""
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

#: Results of `perform` for a step that continues later or on another worker.
_HANDED_BACK = frozenset({"lost", "paused", "waiting"})

celery_app = Celery("kaboom")
# Not `result_backend`: Celery would replace it by CELERY_RESULT_BACKEND of the environment, unparsed.
celery_app.backend_cls, _result_backend_options = _results
celery_app.conf.update(
    # Remote control, such as `inspect ping`, uses the main broker, not that of a queue.
    broker_options(_settings.require_broker_url(), "CELERY_BROKER_URL"),
    # The lease protects the work. Late acknowledgement runs long tasks twice, and crashes a 5.7 worker that holds a
    # message while Redis is unreachable.
    task_acks_late=False,
    task_reject_on_worker_lost=False,
    # Take a message only when a process is free: a prefetched one is stranded when the worker dies.
    worker_disable_prefetch=True,
    worker_prefetch_multiplier=1,
    # Celery's tasks are steps of a job. The result of the job itself is written when the job ends (engine/settle.py).
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    result_expires=RESULT_EXPIRES_S,
    result_failure_expires=FAILURE_EXPIRES_S,
    result_extended=True,
    result_backend_transport_options=_result_backend_options,
    redis_socket_timeout=5,
    redis_socket_connect_timeout=3,
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    # A stuck child is killed; its lease expires and the chunk runs elsewhere.
    task_time_limit=1800,
    task_soft_time_limit=1740,
    worker_concurrency=_settings.slots,
    # Limits leaks. In KiB, checked between tasks: 4 children and the parent stay under 4 GiB.
    worker_max_tasks_per_child=200,
    worker_max_memory_per_child=700_000,
    # How long running chunks may take to finish on SIGTERM.
    worker_soft_shutdown_timeout=6,
    worker_enable_soft_shutdown_on_idle=False,
    # Without late acknowledgements nothing is cancelled; this silences Celery's warning.
    worker_cancel_long_running_tasks_on_connection_loss=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # A Redis that refuses every command, as with a full disk, is asked again; without this the worker would end.
    broker_channel_error_retry=True,
    # A typo in a queue's name is an error, not a new queue without workers.
    task_create_missing_queues=False,
    task_queues=[BrokerQueue(queue.value, Exchange(queue.value), routing_key=queue.value) for queue in Queue],
    task_default_queue=Queue.INGEST.value,
    task_routes={f"{queue.value}.*": {"queue": queue.value} for queue in Queue},
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    timezone="Asia/Tokyo",
    enable_utc=True,
)


class StepFailed(Exception):
    """An attempt of a plan step or a chunk failed; the job's record says what happens next."""


def _register(job_type: JobType) -> None:
    # `throws`: Celery logs the failure in one INFO line. The step has logged its own, with the reason.
    @celery_app.task(name=job_type.name, throws=(StepFailed,), bind=True)
    def plan(self: Any, /, job_id: str) -> str:
        return _end_task(_perform(ChunkRef(job_type.queue.value, job_id, PLAN), self.request.headers))

    if job_type.queue.chunk_name in celery_app.tasks:
        return

    @celery_app.task(name=job_type.queue.chunk_name, throws=(StepFailed,), bind=True)
    def chunk(self: Any, /, job_id: str, n: str) -> str:
        return _end_task(_perform(ChunkRef(job_type.queue.value, job_id, n), self.request.headers))


def _end_task(word: str) -> str:
    """Return the result of `perform`, or raise the exception that makes Celery show FAILURE or RETRY."""
    if word in ERROR_ENDINGS:
        raise StepFailed(word)
    if word in _HANDED_BACK:
        # Not `task.retry`: the reaper sends the next message.
        raise Retry(word)
    return word


def _perform(ref: ChunkRef, headers: Mapping[str, Any] | None) -> str:
    # Any other text could name another Redis key, or fail in the Redis driver on every attempt.
    if not all(isinstance(name, str) and _NAME.fullmatch(name) for name in (ref.job_id, ref.n)):
        raise InvalidRequest(
            f"the message named job {ref.job_id!r:.50} and chunk {ref.n!r:.50}, of which at least one is not valid"
        )
    loop = process_loop()

    async def perform_for_origin() -> str:
        with continue_from(headers or {}):
            return await perform(loop.parts, ref, on_memory_error=end_after_task)

    return loop.run(perform_for_origin())


for _job_type in CATALOG:
    _register(_job_type)


@setup_logging.connect
def _configure_logging(**_signal: Any) -> None:
    configure_logging(log_format=_settings.log_format, level=_settings.log_level)


@celeryd_init.connect
def _name_node(sender: str, instance: Any, **_signal: Any) -> None:
    """Make the worker's name unique on a host called `localhost`, as on Cloud Run, for remote control."""
    if sender.endswith("@localhost"):
        instance.hostname = f"{sender}-{uuid4().hex[:8]}"
    name_node(instance.hostname)


@celeryd_init.connect
def _choose_broker(conf: Any, options: Mapping[str, Any], **_signal: Any) -> None:
    """Consume from the broker that the queues of this worker are on."""
    try:
        conf.update(broker_options(*choose_broker(_brokers, options.get("queues") or ())))
    except ConfigurationError as e:
        raise _refusal(e) from None


@inspect_command()
def kaboom_release(_state: Any, **_options: Any) -> dict[str, str | None]:
    """Return the release of this worker."""
    return {"release": _settings.release}


@worker_init.connect
def _check_parts(**_signal: Any) -> None:
    """Refuse to start on a Redis that may drop jobs; runs before the fork, on a loop of its own."""

    async def check() -> None:
        await check_parts(_settings, CATALOG, role="worker-start")
        await check_results(_settings.find_result_url())

    try:
        asyncio.run(check())
    except ConfigurationError as e:
        # Celery would log any other exception of a signal's receiver and continue.
        raise _refusal(e) from e
    if _settings.strategies_dir:
        # Before the fork: strategies run as this user, who may read the environment of its own processes.
        hide_memory()
    # Loaded before the fork: the processes of the pool share its memory.
    if _settings.keeps_bars_in_influxdb:
        import_module("kaboom.bars.open_influx")
    if _settings.keeps_bars_in_postgres:
        import_module("kaboom.bars.open_postgres")
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


def end_after_task() -> None:
    """Have this process end after its task: memory that Python and its libraries hold goes back to the system.

    Between tasks billiard compares the memory in use with `worker_max_memory_per_child`, and ends a process above it.
    It gives a process no other way to end that is not reported as a lost worker.
    """
    _log.warning("process_recycled", reason="it was out of memory")
    vars(pool)["mem_rss"] = lambda: 1 << 62
