"""Measures for how long the run of a chunk has finished nothing, in time in which its process could run."""

from collections.abc import Callable

from kaboom.drivers.cpu_waits import longest_cpu_wait_s, read_cpu_waits

#: Waiting for a rate-limit slot or for a CPU does not count as a stall, up to this long after the last report.
LONGEST_WAIT_S = 900.0
#: How late a look may be; the time beyond it, the process was stopped or its event loop blocked.
_LATEST_S = 5.0


class StallClock:
    """Adds up the time between looks in which nothing was finished; `time` is the time of the event loop.

    Time in which the process did not run is not counted: it was stopped, or had to wait for a CPU. While its event loop
    is blocked nobody looks; then the reaper judges the process by its silence.
    """

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._reported_at = self._looked_at = time()
        self._idle_s = 0.0
        self._waits: dict[str, int] | None = None

    def report(self) -> None:
        """Begin again: an item was finished."""
        self._reported_at = self._time()
        self._begin()

    def note_life(self) -> None:
        """Begin again: the work waits for a rate-limit slot; this helps for `LONGEST_WAIT_S` at most."""
        if self._time() - self._reported_at <= LONGEST_WAIT_S:
            self._begin()

    def look(self, planned_s: float) -> None:
        """Count the time since the last look, which was to be `planned_s` ago."""
        now = self._time()
        self._idle_s += min(now - self._looked_at, planned_s + _LATEST_S)
        self._looked_at = now
        if self._waits is None:
            self._waits = read_cpu_waits()

    def has_stalled(self, stall_s: float) -> bool:
        """Return whether nothing was finished for so long."""
        if self._idle_s <= stall_s:
            return False
        waited_s = longest_cpu_wait_s(self._waits or {}, read_cpu_waits())
        return self._idle_s - waited_s > stall_s or self._time() - self._reported_at > LONGEST_WAIT_S

    def _begin(self) -> None:
        self._looked_at, self._idle_s, self._waits = self._time(), 0.0, None
