"""A thread that ends a worker's main process when it no longer works, so that it is restarted."""

import threading
import time
from collections.abc import Callable, Mapping

import structlog

from kaboom.worker.liveness import Liveness

#: kombu itself recovers from a half-open socket within about 50 s, and waits up to 32 s between connections.
PATIENCE_S = 60.0
#: After this long `/healthz` answers 503.
SICK_S = 30.0
_TICK_S = 1.0

_log = structlog.get_logger(__name__)


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
