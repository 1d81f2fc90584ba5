"""The signs of life of a worker's main process, and what is wrong where they are missing: pure, on given times."""

from dataclasses import dataclass, field
from time import monotonic

#: A sign that comes every second or two is missed after this long.
FRESH_S = 10.0
#: A heartbeat in Redis comes every 5 s and is forgotten after 20.
REPORT_FRESH_S = 20.0


@dataclass(slots=True)
class Vitals:
    """What a worker last showed of itself. All times are of the monotonic clock, in seconds.

    Attributes:
        slots: chunks that run at once.
        longest_task_s: a task that is older than this should have been killed.
        consumer_at: when the thread that takes messages last came round; None before its first connection.
        loop_at: when the event loop last came round.
        broker_at: when the broker last answered the loop. waiting: messages that it had then.
        reported_at: when the heartbeat was last written to Redis; None before the first.
        taken: messages taken since the start. taken_at: when that last changed, or could not have.
        busy: slots in use. children: processes of the pool that live. oldest_task_s: age of the oldest task.

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
        """Note what the thread that takes messages sees when it comes round."""
        self.consumer_at = now
        if taken != self.taken or busy >= self.slots:
            self.taken_at = now
        self.taken, self.busy, self.children, self.oldest_task_s = taken, busy, children, oldest_task_s

    def see_broker(self, now: float, *, waiting: int) -> None:
        """Note how many messages wait; where there are none, none could be taken."""
        self.broker_at, self.waiting = now, waiting
        if not waiting:
            self.taken_at = now

    def faults(self, now: float) -> dict[str, str]:
        """Return what is wrong by part, in words; Redis being away is no fault of the worker."""
        faults = {
            "loop": self._loop_fault(now),
            "consumer": self._consumer_fault(now),
            "pool": "" if self.children or self.consumer_at is None else "no process of the pool lives",
            "tasks": self._task_fault(),
        }
        return {part: fault for part, fault in faults.items() if fault}

    def heartbeat_fault(self, now: float) -> str:
        """Return why other processes take this worker for gone, if they do."""
        if self.reported_at is None:
            return "not written yet"
        silent_s = now - self.reported_at
        return f"last written {silent_s:.0f} s ago" if silent_s > REPORT_FRESH_S else ""

    def _loop_fault(self, now: float) -> str:
        silent_s = now - self.loop_at
        return f"the event loop has not come round for {silent_s:.0f} s" if silent_s > FRESH_S else ""

    def _consumer_fault(self, now: float) -> str:
        if self.broker_at is None or now - self.broker_at > FRESH_S:
            # Nothing can be taken from a broker that is away.
            return ""
        if self.consumer_at is None:
            return "not connected to the broker yet, which answers"
        silent_s, idle_s = now - self.consumer_at, now - self.taken_at
        if silent_s > FRESH_S:
            return f"the thread that takes messages has not come round for {silent_s:.0f} s, and the broker answers"
        if idle_s > FRESH_S:
            free = self.slots - self.busy
            return f"{self.waiting} messages wait, {free} of {self.slots} slots are free, none taken for {idle_s:.0f} s"
        return ""

    def _task_fault(self) -> str:
        if self.oldest_task_s <= self.longest_task_s:
            return ""
        return f"a task runs for {self.oldest_task_s:.0f} s, over the limit of {self.longest_task_s:.0f} s"
