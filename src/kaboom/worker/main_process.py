"""The worker's main process: a Celery bootstep, started after the fork, and the thread that ends a stuck process."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any

import psutil
import structlog
from celery import bootsteps
from celery.worker import state
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kaboom.backtest.engine.kernel_build import program_command
from kaboom.backtest.engine.kernel_cache import has_numba, is_built, kernel_folder
from kaboom.catalog import CATALOG
from kaboom.errors import KaboomError
from kaboom.jobs.engine.health_checks import BarsFolder, RecentAnswer, find_fault
from kaboom.jobs.engine.instruments import metrics_route, share_meter
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.engine.local import report_alive
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.reaper import Reaper
from kaboom.jobs.engine.webhook_sender import run_courier
from kaboom.jobs.model import Queue
from kaboom.notify.notifier import Notifier
from kaboom.operations.pruner import Pruner
from kaboom.pipelines.runner import PipelineRunner
from kaboom.pipelines.store import open_pipelines
from kaboom.schedules.overdue import read_ingest_gauges, read_missing
from kaboom.schedules.scheduler import Scheduler
from kaboom.schedules.store import open_schedules
from kaboom.settings import load_settings
from kaboom.telemetry.endpoint import open_socket, serve
from kaboom.web.server.open_files import raise_open_files
from kaboom.worker.loop import process_loop
from kaboom.worker.shutdown import Shutdown
from kaboom.worker.transport import give_back_slots

#: A part that reports every second or two is at fault after this long.
FRESH_S = 10.0
#: The heartbeat in Redis is written every 5 s and expires after 20.
REPORT_FRESH_S = 20.0
#: kombu itself recovers from a half-open socket within about 50 s, and waits up to 32 s between connections.
PATIENCE_S = 60.0
#: After this long `/healthz` answers 503.
SICK_S = 30.0
_TICK_S = 1.0


@dataclass(slots=True)
class Liveness:
    """The last report of each part of a worker. Times are of the monotonic clock, in seconds.

    Attributes:
        slots: how many chunks may run at once.
        longest_task_s: an older task should have been killed.
        consumer_at: when the thread that takes messages last ran; None before it first connects.
        loop_at: when the event loop last ran.
        broker_at: when the broker last answered. waiting: how many messages it had then.
        reported_at: when the heartbeat was last written to Redis; None before the first.
        taken: messages taken since the start. taken_at: when that last changed, or when no more could be taken.
        busy: slots in use. children: pool processes that are alive. oldest_task_s: age of the oldest task.

    """

    slots: int
    longest_task_s: float
    consumer_at: float | None = None
    loop_at: float = field(default_factory=monotonic)
    broker_at: float | None = None
    waiting: int = 0
    reported_at: float | None = None
    taken: int = 0
    taken_at: float = field(default_factory=monotonic)
    busy: int = 0
    children: int = 0
    oldest_task_s: float = 0.0

    def see_pool(self, now: float, *, taken: int, busy: int, children: int, oldest_task_s: float) -> None:
        """Record what the thread that takes messages sees of the pool."""
        self.consumer_at = now
        if taken != self.taken or busy >= self.slots:
            self.taken_at = now
        self.taken, self.busy, self.children, self.oldest_task_s = taken, busy, children, oldest_task_s

    def see_broker(self, now: float, *, waiting: int) -> None:
        """Record how many messages wait. If none wait, taking none is not a fault."""
        self.broker_at, self.waiting = now, waiting
        if not waiting:
            self.taken_at = now

    def faults(self, now: float) -> dict[str, str]:
        """Return the faults, by part. An unreachable Redis is not a fault of the worker."""
        faults = {
            "loop": self._loop_fault(now),
            "consumer": self._consumer_fault(now),
            "pool": "" if self.children or self.consumer_at is None else "no process of the pool is alive",
            "tasks": self._task_fault(),
        }
        return {part: fault for part, fault in faults.items() if fault}

    def heartbeat_fault(self, now: float) -> str:
        """Return why other processes believe that this worker is gone, or an empty text."""
        if self.reported_at is None:
            return "not written yet"
        silent_s = now - self.reported_at
        return f"last written {silent_s:.0f} s ago" if silent_s > REPORT_FRESH_S else ""

    def _loop_fault(self, now: float) -> str:
        silent_s = now - self.loop_at
        return f"the event loop has not run for {silent_s:.0f} s" if silent_s > FRESH_S else ""

    def _consumer_fault(self, now: float) -> str:
        if self.broker_at is None or now - self.broker_at > FRESH_S:
            # The broker is unreachable: nothing can be taken from it.
            return ""
        if self.consumer_at is None:
            return "not connected to the broker yet, although the broker answers"
        silent_s, idle_s = now - self.consumer_at, now - self.taken_at
        if silent_s > FRESH_S:
            return f"the thread that takes messages has not run for {silent_s:.0f} s, although the broker answers"
        if idle_s > FRESH_S:
            free = self.slots - self.busy
            return f"{self.waiting} messages wait, {free} of {self.slots} slots are free, none taken for {idle_s:.0f} s"
        return ""

    def _task_fault(self) -> str:
        if self.oldest_task_s <= self.longest_task_s:
            return ""
        return f"a task has run for {self.oldest_task_s:.0f} s, longer than the limit of {self.longest_task_s:.0f} s"


class Watchdog:
    """Measures how long each fault has lasted, in time that this process itself ran.

    After SIGSTOP or a closed laptop all reports are old, but that time does not count; the next report clears the
    fault.
    """

    def __init__(self, liveness: Liveness, end: Callable[[str], None]) -> None:
        self._liveness = liveness
        self._end = end
        self._lasted_s: dict[str, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Start to watch."""
        self._thread.start()

    def look(self, now: float, *, elapsed_s: float) -> None:
        """Check once, `elapsed_s` after the last check; end the process if a fault has lasted too long."""
        faults = self._liveness.faults(now)
        self._lasted_s = {part: self._lasted_s.get(part, 0.0) + elapsed_s for part in faults}
        for part, lasted_s in self._lasted_s.items():
            if lasted_s > PATIENCE_S:
                _log.error("worker_stuck", part=part, reason=faults[part])
                self._stopping.set()
                self._end(faults[part])
                return

    def lasting(self) -> Mapping[str, float]:
        """Return the faults that make `/healthz` fail, with how many seconds each has lasted."""
        return {part: lasted_s for part, lasted_s in self._lasted_s.items() if lasted_s > SICK_S}

    def _run(self) -> None:
        before = time.monotonic()
        while not self._stopping.wait(_TICK_S):
            now = time.monotonic()
            self.look(now, elapsed_s=min(now - before, 2 * _TICK_S))
            before = now


#: How long each part may take to answer; all are asked at the same time.
_ASK_S = 2.0

_ask = partial(find_fault, within_s=_ASK_S)


async def compile_kernel(queues: Collection[str]) -> None:
    """Compile the kernel, if the worker consumes backtests and the machine code is not there; end with the caller."""
    folder = kernel_folder() if Queue.BACKTEST.value in queues and has_numba() else None
    if folder is None or is_built(folder):
        return
    process = await asyncio.create_subprocess_exec(
        *program_command(), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    _log.info("kernel_compiled" if code == 0 else "kernel_not_kept", folder=str(folder), exit_code=code)


_log = structlog.get_logger(__name__)
_POLL_S = 1.0
#: Celery kills a task at its hard limit; a task that is this much older was not killed.
_OVERTIME_S = 60.0


class MainProcess(bootsteps.StartStopStep):
    """Runs the reaper, the scheduler, the pipelines, the courier, the notifier, the watchdog and the health server."""

    requires = ("celery.worker.components:Pool", "celery.worker.components:Timer")

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        settings = load_settings()
        raise_open_files()
        # Before the pool forks: the children share the meter, and a port in use must end the worker at once.
        port = settings.side_port or settings.own_side_port
        self._socket = open_socket(settings.side_host, port) if port else None
        self._meter = share_meter(CATALOG) if self._socket else None
        self._reporting: Future[None] | None = None

    def start(self, worker: Any) -> None:
        """Start all parts."""
        # Without this number Celery asks the pool before each message. During a drain the pool is gone: a late message
        # or an empty answer of Redis would then end the worker with exit code 1.
        worker.max_concurrency = worker.max_concurrency or worker.concurrency
        give_back_slots(worker)
        liveness = Liveness(int(worker.concurrency), worker.app.conf.task_time_limit + _OVERTIME_S)
        shutdown = Shutdown(on_signal=self._stop_reporting)
        shutdown.install()
        watchdog = Watchdog(liveness, lambda _reason: shutdown.request())
        self._liveness, self._worker = liveness, worker
        loop = process_loop("worker-main")
        health = WorkerHealth(loop.parts, liveness, watchdog, lambda: _queues(worker))
        loop.start(_reap)
        loop.start(lambda parts: Scheduler(Jobs(parts), parts.database.open(open_schedules)).run())
        loop.start(lambda parts: PipelineRunner(Jobs(parts), parts.database.open(open_pipelines)).run())
        loop.start(run_courier)
        loop.start(lambda parts: Notifier(Jobs(parts), partial(read_missing, parts)).run())
        loop.start(lambda _: _report_loop(liveness))
        loop.start(lambda _: compile_kernel(_queues(worker)))
        loop.start(lambda parts: _watch_broker(parts, liveness, worker))
        if self._socket and self._meter:
            pages, opened = health.app(metrics_route(loop.parts, self._meter, more=read_ingest_gauges)), self._socket
            loop.start(lambda _: serve(pages, opened))
        worker.timer.call_repeatedly(_POLL_S, _report_pool, (worker, liveness))
        watchdog.start()

    def report(self) -> None:
        """Start the heartbeat: from now on the worker takes messages."""
        liveness = self._liveness

        def note() -> None:
            liveness.reported_at = time.monotonic()

        loop = process_loop("worker-main")
        _log.info("worker_started", name=loop.parts.name, slots=liveness.slots, release=loop.parts.settings.release)
        worker = self._worker
        alive = partial(report_alive, slots=liveness.slots, queues=lambda: _queues(worker), on_report=note)
        self._reporting = loop.start(partial(alive, pids=lambda: _living_pids(worker)))

    def _stop_reporting(self) -> None:
        """Stop the heartbeat and take this worker off the list: it takes no more messages."""
        if self._reporting:
            self._reporting.cancel()


async def _report_loop(liveness: Liveness) -> None:
    while True:
        liveness.loop_at = time.monotonic()
        await asyncio.sleep(_POLL_S)


async def _watch_broker(parts: Parts, liveness: Liveness, worker: Any) -> None:
    while True:
        with contextlib.suppress(KaboomError):
            waiting = [await parts.dispatcher.depth(queue) for queue in _queues(worker)]
            liveness.see_broker(time.monotonic(), waiting=sum(waiting))
        await asyncio.sleep(_POLL_S)


def _report_pool(worker: Any, liveness: Liveness) -> None:
    started = [request.time_start for request in state.active_requests if request.time_start]
    liveness.see_pool(
        time.monotonic(),
        taken=state.all_total_count[0],
        busy=len(state.reserved_requests),
        children=len(_living_pids(worker)),
        oldest_task_s=time.time() - min(started, default=time.time()),
    )


def _queues(worker: Any) -> list[str]:
    """Return the queues consumed now: an operator may remove one while the worker runs."""
    return sorted(worker.app.amqp.queues.consume_from)


async def _reap(parts: Parts) -> None:
    days = parts.settings.job_retention_days
    pruner = Pruner(parts.catalog.queues, parts.store, parts.history, parts.database, days=days)
    await Reaper(parts, prune=pruner.step).run()


def _living_pids(worker: Any) -> list[int]:
    """Return the pool's processes that are alive; for a pool of threads, this process."""
    return [pid for pid in worker.pool.info.get("processes", [os.getpid()]) if _is_alive(pid)]


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """The health pages of a worker's main process."""

    parts: Parts
    liveness: Liveness
    watchdog: Watchdog
    queues: Callable[[], Sequence[str]]

    def app(self, *more: Route) -> Starlette:
        """Return an application with `/healthz`, `/readyz` and the routes of `more`."""
        settings = self.parts.settings
        bars = BarsFolder(settings.bars_dir if settings.keeps_bars_in_folder else None)
        stores = RecentAnswer(partial(self._ask_stores, bars))

        async def readyz(_request: Request) -> Response:
            return self._readyz(await stores.get())

        return Starlette(routes=[Route("/healthz", self._healthz), Route("/readyz", readyz), *more])

    async def _healthz(self, _request: Request) -> Response:
        """Answer 503 if a restart would help: when the consumer hangs, not when Redis is unreachable."""
        faults, lasting = self.liveness.faults(monotonic()), self.watchdog.lasting()
        sick = {part: faults.get(part, f"for {lasted_s:.0f} s") for part, lasted_s in lasting.items()}
        return JSONResponse({"status": "stuck" if sick else "ok", "faults": sick}, 503 if sick else 200)

    def _readyz(self, stores: dict[str, str]) -> Response:
        """Answer 200 if this worker can take and finish chunks now."""
        now = monotonic()
        own = dict.fromkeys(("loop", "consumer", "pool", "tasks"), "") | self.liveness.faults(now)
        said = {**stores, "heartbeat": self.liveness.heartbeat_fault(now)} | own
        parts = {part: {"is_ok": not detail, "detail": detail} for part, detail in said.items()}
        is_ready = not any(said.values()) and self.liveness.consumer_at is not None
        slots = {"total": self.liveness.slots, "busy": self.liveness.busy}
        content = {"ready": is_ready, "parts": parts, "slots": slots, "release": self.parts.settings.release}
        return JSONResponse(content, 200 if is_ready else 503)

    async def _ask_stores(self, bars: BarsFolder) -> dict[str, str]:
        """Try a small write on each server that a worker needs; return the fault of each, or ""."""
        questions = {
            "broker": self._poll_broker(),
            "redis": self.parts.store.try_write(),
            "ledger": self.parts.history.try_write(),
        }
        if bars.is_here:
            questions["bars"] = bars.try_write()
        faults = await asyncio.gather(*map(_ask, questions.values()))
        return dict(zip(questions, faults, strict=True))

    async def _poll_broker(self) -> None:
        await self.parts.dispatcher.try_write()
        for queue in self.queues():
            await self.parts.dispatcher.depth(queue)
