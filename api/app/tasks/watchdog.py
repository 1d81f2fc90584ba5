"""A thread of the worker's main process that ends it where it no longer works, so that it is started anew."""

import threading
import time
from collections.abc import Callable, Mapping

import structlog

from app.tasks.vitals import Vitals

#: kombu itself recovers from a half-open socket within about 50 s, and waits up to 32 s between connections.
PATIENCE_S = 60.0
#: From here on the worker says itself that it is not alive.
SICK_S = 30.0
_TICK_S = 1.0

_log = structlog.get_logger(__name__)


class Watchdog:
    """Counts for how long each fault has lasted, in time that this process itself has run.

    A process that was stopped (SIGSTOP, a laptop's lid) finds all its signs old when it goes on; the count
    begins then, and the first fresh sign ends it.
    """

    def __init__(self, vitals: Vitals, end: Callable[[str], None], *, patience_s: float = PATIENCE_S) -> None:
        self._vitals = vitals
        self._end = end
        self._patience_s = patience_s
        self._lasted_s: dict[str, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop to watch: the worker is going away by itself."""
        self._stopping.set()

    def look(self, now: float, *, elapsed_s: float) -> None:
        """Look at the signs once, `elapsed_s` after the last time; end the process where a fault has lasted."""
        faults = self._vitals.faults(now)
        self._lasted_s = {part: self._lasted_s.get(part, 0.0) + elapsed_s for part in faults}
        for part, lasted_s in self._lasted_s.items():
            if lasted_s > self._patience_s:
                _log.error("worker_stuck", part=part, reason=faults[part])
                self.stop()
                self._end(faults[part])
                return

    def lasting(self) -> Mapping[str, float]:
        """Return the faults that have lasted too long for this worker to be called alive, with their seconds."""
        return {part: lasted_s for part, lasted_s in self._lasted_s.items() if lasted_s > SICK_S}

    def _run(self) -> None:
        before = time.monotonic()
        while not self._stopping.wait(_TICK_S):
            now = time.monotonic()
            self.look(now, elapsed_s=min(now - before, 2 * _TICK_S))
            before = now
