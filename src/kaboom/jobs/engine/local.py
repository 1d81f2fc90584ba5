"""Workers inside the API process, for DISABLE_CELERY: the same claims, leases and reaper, without Celery."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog

from kaboom.drivers.clock import utc_now
from kaboom.drivers.stop import is_being_cancelled
from kaboom.errors import KaboomError
from kaboom.jobs.engine.dispatch import LocalDispatcher
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.run.worker import perform
from kaboom.jobs.redis.workers import WorkerFacts
from kaboom.jobs.runs import name_slot

_log = structlog.get_logger(__name__)
_REPORT_S = 5.0


def local_workers(parts: Parts, dispatcher: LocalDispatcher) -> list[Coroutine[Any, Any, None]]:
    """Return `slots` workers, and the coroutine that reports them; each runs until it is cancelled.

    Run each as a task of its own: a task group passes on only the first cancel.
    """
    slots = parts.settings.slots
    names = [name_slot(parts.name, slot) for slot in range(1, slots + 1)]
    return [report_alive(parts, slots), *(_work(replace(parts, name=name), dispatcher) for name in names)]


async def report_alive(
    parts: Parts,
    slots: int,
    *,
    queues: Callable[[], Sequence[str]] | None = None,
    pids: Callable[[], Sequence[int]] | None = None,
    on_report: Callable[[], None] = lambda: None,
) -> None:
    """Report to the job store every few seconds that this worker is alive, and when cancelled, that it ends.

    `queues` returns the queues that it consumes, by default all queues with a job type. `pids` returns the processes of
    its pool that are alive: they keep their leases. `on_report` is called after each report. A worker that ends without
    being cancelled counts as lost.
    """
    started_at = utc_now()
    try:
        while True:
            with contextlib.suppress(KaboomError):
                memory = await asyncio.to_thread(measure_tree_memory)
                consumed = tuple(queues() if queues else parts.catalog.queues)
                living = tuple(pids()) if pids else None
                facts = WorkerFacts(socket.gethostname(), consumed, started_at, memory, living)
                await parts.store.report_worker(parts.name, slots, parts.settings.release, facts=facts)
                on_report()
            await asyncio.sleep(_REPORT_S)
    except asyncio.CancelledError:
        with contextlib.suppress(KaboomError):
            await parts.store.forget_worker(parts.name, slots, parts.settings.release)
        raise


async def _work(parts: Parts, dispatcher: LocalDispatcher) -> None:
    # A store may raise its own error instead of the CancelledError; the worker must end all the same.
    while not is_being_cancelled():
        ref = await dispatcher.take()
        try:
            await perform(parts, ref)
        except KaboomError as e:
            _log.warning("chunk_not_claimed", job_id=ref.job_id, queue=ref.queue, chunk=ref.n, reason=e.message)


def measure_tree_memory() -> int:
    """Return the resident memory of this process and its descendants, in bytes; shared pages count in each of them."""
    import psutil  # noqa: PLC0415  the API loads it only where it runs workers itself

    process, total = psutil.Process(), 0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.Error):
            total += each.memory_info().rss
    return int(total)
