"""When each part of a worker's main process last worked, and the thread that ends the process when one has stopped."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic

import structlog

#: A part that reports every second or two is at fault after this long.
FRESH_S = 10.0
#: The heartbeat in Redis is written every 5 s and expires after 20.
REPORT_FRESH_S = 20.0
#: kombu itself recovers from a half-open socket within about 50 s, and waits up to 32 s between connections.
PATIENCE_S = 60.0
#: After this long `/healthz` answers 503.
SICK_S = 30.0
_TICK_S = 1.0

_log = structlog.get_logger(__name__)


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
