"""How a worker's processes end: the main one within its deadline, its children never after it."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

import psutil
import structlog

#: Cloud Run kills 10 s after SIGTERM. The drain itself takes under 8 s; what hangs is cut off here.
DEADLINE_S = 9.0
_PARENT_POLL_S = 1.0

_log = structlog.get_logger(__name__)


class Ending:
    """The end of a main process: asked for by SIGTERM or by the watchdog, and made where it does not come.

    `on_told` is called when somebody else asks for it, in a signal's handler.

    A forced end loses nothing: leases of chunks that were not handed back run out, and they run elsewhere.
    """

    def __init__(self, on_told: Callable[[], None] = lambda: None) -> None:
        self._has_begun = False
        self._on_told = on_told

    def install(self) -> None:
        """Make SIGTERM drain: Celery's own waits for the last task, however long. Call it in the main thread.

        Celery's SIGQUIT lets tasks run on for `worker_soft_shutdown_timeout` and then has them hand back their
        chunks. REMAP_SIGTERM=SIGQUIT would do the same, but only where it is set before `celery` starts.
        """
        signal.signal(signal.SIGTERM, self._drain)

    def _drain(self, number: int, frame: FrameType | None) -> None:
        if not self._has_begun:
            self._on_told()
        self.begin()
        # Asked for each time: after the first signal it is another one, which does not wait to hand chunks back.
        handler = signal.getsignal(signal.SIGQUIT)
        if callable(handler):
            handler(number, frame)

    def ask(self) -> None:
        """Drain as on SIGTERM; a main thread that hangs does not hear it, and meets the deadline."""
        self.begin()
        os.kill(os.getpid(), signal.SIGTERM)

    def begin(self) -> None:
        """Let the deadline run from now on."""
        if self._has_begun:
            return
        self._has_begun = True
        timer = threading.Timer(DEADLINE_S, self._force)
        timer.daemon = True
        timer.start()

    def _force(self) -> None:
        _log.error("end_forced", reason=f"the worker had not ended {DEADLINE_S:g} s after it was told to")
        try:
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
        finally:
            os._exit(1)


async def end_with_parent(parent: int) -> None:
    """End this process when its parent has gone: at once on Linux, where Celery asks the kernel, else within a second.

    A child that lived on would hold its chunk's lease, and its bars, beside the worker that replaces it.
    """
    while os.getppid() == parent:  # noqa: ASYNC110  the kernel sets no event
        await asyncio.sleep(_PARENT_POLL_S)
    _log.error("parent_gone", parent=parent)
    os._exit(1)
