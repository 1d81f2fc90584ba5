"""End a worker's processes: the main process by its deadline, and its children when the main process has ended."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

import psutil
import structlog

#: Cloud Run kills 10 s after SIGTERM. The drain itself takes less than 8 s; a main process that hangs is killed here.
DEADLINE_S = 9.0
_PARENT_POLL_S = 1.0

_log = structlog.get_logger(__name__)


class Shutdown:
    """Ends a main process on SIGTERM or when the watchdog asks, and kills it if it has not ended by the deadline.

    `on_signal` is called in the signal's handler, unless the watchdog asked.

    A kill loses no work: the leases of chunks that were not handed back expire, and these run on another worker.
    """

    def __init__(self, on_signal: Callable[[], None]) -> None:
        self._has_begun = False
        self._on_signal = on_signal

    def install(self) -> None:
        """Drain on SIGTERM; Celery would wait for the last task without a limit. Call it in the main thread.

        Celery's handler of SIGQUIT lets tasks run for `worker_soft_shutdown_timeout` and then makes them hand back
        their chunks. REMAP_SIGTERM=SIGQUIT does the same, but only if it is set before `celery` starts.
        """
        signal.signal(signal.SIGTERM, self._drain)

    def _drain(self, number: int, frame: FrameType | None) -> None:
        if not self._has_begun:
            self._on_signal()
        self.begin()
        # Looked up each time: after the first signal Celery replaces the handler by one that does not wait.
        handler = signal.getsignal(signal.SIGQUIT)
        if callable(handler):
            handler(number, frame)

    def request(self) -> None:
        """Drain as on SIGTERM; a main thread that hangs is killed at the deadline."""
        self.begin()
        os.kill(os.getpid(), signal.SIGTERM)

    def begin(self) -> None:
        """Start the deadline's timer."""
        if self._has_begun:
            return
        self._has_begun = True
        timer = threading.Timer(DEADLINE_S, self._force)
        timer.daemon = True
        timer.start()

    def _force(self) -> None:
        _log.error("end_forced", reason=f"the worker had not ended {DEADLINE_S:g} s after the signal")
        try:
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
        finally:
            os._exit(1)


async def end_with_parent(parent: int) -> None:
    """End this process when its parent has ended: at once on Linux, where the kernel does it, else within a second.

    A child that kept running would keep the lease of its chunk while a new worker starts.
    """
    while os.getppid() == parent:  # noqa: ASYNC110  there is no event to wait for
        await asyncio.sleep(_PARENT_POLL_S)
    _log.error("parent_gone", parent=parent)
    os._exit(1)
