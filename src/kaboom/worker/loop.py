"""The event loop of a worker process, in its own thread, started after the fork."""

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

import structlog
import uvloop
from billiard import current_process

from kaboom.catalog import CATALOG
from kaboom.drivers.open_sessions import close_sessions
from kaboom.jobs.engine.parts import Parts, build_parts, name_process
from kaboom.jobs.runs import name_slot
from kaboom.settings import load_settings

#: How long a cancelled task may take to hand its chunk back; Cloud Run kills after 10 s.
_LET_GO_S = 4.0

#: The role of a pool process, which never forks.
_CHILD = "worker"

_log = structlog.get_logger(__name__)


class ProcessLoop:
    """An event loop in a thread, with the parts that live on it."""

    def __init__(self, role: str) -> None:
        self.pid = os.getpid()
        # 5 % less CPU (benchmarks/latency.py). Not in a process that forks: uvloop duplicates the listening socket, and
        # every child would inherit the duplicate.
        self._loop = uvloop.new_event_loop() if role == _CHILD else asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"{role}-loop", daemon=True)
        self._thread.start()
        self.parts = self.run(_build(role))

    def start(self, work: Callable[[Parts], Coroutine[Any, Any, None]]) -> "concurrent.futures.Future[None]":
        """Run a coroutine in the background and return its future; an error is logged."""
        future = asyncio.run_coroutine_threadsafe(work(self.parts), self._loop)
        future.add_done_callback(_log_error)
        return future

    def run[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and wait for it; if the wait is interrupted, cancel it and let it clean up."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            if not future.done():
                self._cancel_all()
            raise

    def stop(self) -> None:
        """Cancel everything that still runs, close the parts and end the thread."""
        self._cancel_all()
        self.run(close_sessions())
        self.run(self.parts.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_LET_GO_S)
        if not self._thread.is_alive():
            self._loop.close()

    def _cancel_all(self) -> None:
        """Cancel every task of the loop once, and wait; a second cancel would interrupt their clean-up."""

        async def cancel() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.wait(others or [asyncio.create_task(asyncio.sleep(0))], timeout=_LET_GO_S)

        asyncio.run_coroutine_threadsafe(cancel(), self._loop).result(_LET_GO_S + 1)


def _log_error(future: "concurrent.futures.Future[None]") -> None:
    if not future.cancelled() and (error := future.exception()):
        _log.error("background_work_ended", exc_info=error)


async def _build(role: str) -> Parts:
    parts = build_parts(load_settings(), CATALOG, role=role)
    if not _named:
        return parts
    # A process of the pool claims under its worker's name and slot number.
    name = _named.worker
    if role == _CHILD:
        name = name_slot(name, getattr(current_process(), "index", 0) + 1, pid=os.getpid())
    return replace(parts, node=_named.node, name=name)


@dataclass(frozen=True, slots=True)
class _Named:
    """The names of a worker: Celery's name, and Kaboom's name, which is in reports and claims."""

    node: str
    worker: str


def name_node(name: str) -> None:
    """Set Celery's name of this worker, and generate Kaboom's name for it; call it before the pool forks."""
    global _named  # noqa: PLW0603  one for each worker
    _named = _Named(name, name_process("worker-main"))


def process_loop(role: str = _CHILD) -> ProcessLoop:
    """Return the loop of this process; a forked child starts its own."""
    global _current  # noqa: PLW0603  one for each process
    with _lock:
        if _current is None or _current.pid != os.getpid():
            _current = ProcessLoop(role)
        return _current


_lock = threading.Lock()
_current: ProcessLoop | None = None
_named: _Named | None = None
