"""The worker's main process: a step of Celery's that starts after the pool has forked and before the first message."""

import asyncio
import contextlib
import os
import time
from concurrent.futures import Future
from functools import partial
from typing import Any

import psutil
import structlog
from celery import bootsteps
from celery.worker import state

from app.catalog import CATALOG
from app.engine.courier import run_courier
from app.engine.instruments import metrics_route, share_meter
from app.engine.lifecycle import Jobs
from app.engine.local import report_alive
from app.engine.parts import Parts
from app.engine.reaper import Reaper
from app.engine.scheduler import Scheduler
from app.server.open_files import raise_open_files
from app.settings import load_settings
from app.tasks.ending import Ending
from app.tasks.health import WorkerHealth
from app.tasks.loop import process_loop
from app.tasks.transport import give_back_slots
from app.tasks.vitals import Vitals
from app.tasks.watchdog import Watchdog
from app.telemetry.endpoint import open_socket, serve
from batch.errors import KaboomError

_log = structlog.get_logger(__name__)
_LOOK_S = 1.0
#: Celery kills a task at its hard limit; what is older than that and this much more was not killed.
_OVERTIME_S = 60.0


class MainProcess(bootsteps.StartStopStep):
    """Sweeps, fires, sends webhooks, reports, watches itself and answers for its health, beside what takes messages."""

    requires = ("celery.worker.components:Pool", "celery.worker.components:Timer")

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        settings = load_settings()
        raise_open_files()
        # Before the pool forks: it shares the meter, and a port that is taken ends the worker at once.
        port = settings.side_port or settings.own_side_port
        self._socket = open_socket(settings.side_host, port) if port else None
        self._meter = share_meter(CATALOG) if self._socket else None
        self._reporting: Future[None] | None = None

    def start(self, worker: Any) -> None:
        """Begin, in threads of their own."""
        # Celery asks the pool before each message how many processes it has, unless it knows this number: a message
        # or an empty answer of Redis that came after the pool had gone, in a drain, ended the worker with 1.
        worker.max_concurrency = worker.max_concurrency or worker.concurrency
        give_back_slots(worker)
        vitals = Vitals(int(worker.concurrency), worker.app.conf.task_time_limit + _OVERTIME_S)
        ending = Ending(on_told=self._stop_reporting)
        ending.install()
        watchdog = Watchdog(vitals, lambda _reason: ending.ask())
        self._vitals = vitals
        loop = process_loop("worker-main")
        health = WorkerHealth(loop.parts, vitals, watchdog, lambda: _queues(worker))
        loop.start(lambda parts: Reaper(parts).run())
        loop.start(lambda parts: Scheduler(Jobs(parts)).run())
        loop.start(run_courier)
        loop.start(lambda _: _come_round(vitals))
        loop.start(lambda parts: _watch_broker(parts, vitals, worker))
        if self._socket and self._meter:
            pages, opened = health.app(metrics_route(loop.parts, self._meter)), self._socket
            loop.start(lambda _: serve(pages, opened))
        worker.timer.call_repeatedly(_LOOK_S, _see_pool, (worker, vitals))
        watchdog.start()

    def report(self) -> None:
        """Tell other processes that this worker lives, from now on: it takes messages."""
        vitals = self._vitals

        def note() -> None:
            vitals.reported_at = time.monotonic()

        loop = process_loop("worker-main")
        _log.info("worker_started", name=loop.parts.name, slots=vitals.slots, release=loop.parts.settings.release)
        self._reporting = loop.start(partial(report_alive, slots=vitals.slots, on_report=note))

    def _stop_reporting(self) -> None:
        """Say goodbye: a worker that was told to end is not lost, and takes nothing more."""
        if self._reporting:
            self._reporting.cancel()


async def _come_round(vitals: Vitals) -> None:
    while True:
        vitals.loop_at = time.monotonic()
        await asyncio.sleep(_LOOK_S)


async def _watch_broker(parts: Parts, vitals: Vitals, worker: Any) -> None:
    while True:
        with contextlib.suppress(KaboomError):
            waiting = [await parts.dispatcher.depth(queue) for queue in _queues(worker)]
            vitals.see_broker(time.monotonic(), waiting=sum(waiting))
        await asyncio.sleep(_LOOK_S)


def _see_pool(worker: Any, vitals: Vitals) -> None:
    started = [request.time_start for request in state.active_requests if request.time_start]
    vitals.see_pool(
        time.monotonic(),
        taken=state.all_total_count[0],
        busy=len(state.reserved_requests),
        children=sum(_is_alive(pid) for pid in _pool_pids(worker)),
        oldest_task_s=time.time() - min(started, default=time.time()),
    )


def _queues(worker: Any) -> list[str]:
    """Return what is consumed now: an operator may take a queue from a worker while it runs."""
    return sorted(worker.app.amqp.queues.consume_from)


def _pool_pids(worker: Any) -> list[int]:
    """Return the processes of the pool; of a pool of threads this one."""
    return list(worker.pool.info.get("processes", [os.getpid()]))


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
