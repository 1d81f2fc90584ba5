"""The events of jobs in this process: the twin of the Redis streams."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Mapping

from app.jobs.events import JobEvent, JobKey, parse_event_id

_KEPT = 500


class MemoryEventLog:
    """`EventLog` in memory."""

    def __init__(self) -> None:
        self._events: dict[JobKey, deque[JobEvent]] = defaultdict(lambda: deque(maxlen=_KEPT))
        self._last = (0, 0)
        self._appended = asyncio.Event()

    def append(self, queue: str, job_id: str, kind: str, data: str) -> None:
        """Add an event, with an id after every earlier one."""
        ms, (last_ms, number) = time.time_ns() // 1_000_000, self._last
        self._last = (ms, 0) if ms > last_ms else (last_ms, number + 1)
        event_id = f"{self._last[0]}-{self._last[1]}"
        self._events[queue, job_id].append(JobEvent(event_id, kind, data))
        self._appended.set()

    def forget(self, queue: str, job_id: str) -> None:
        """Drop the events of a job."""
        self._events.pop((queue, job_id), None)

    async def read(self, queue: str, job_id: str, *, after: str) -> list[JobEvent]:
        """Return the events after an id, oldest first."""
        place = parse_event_id(after)
        return [e for e in self._events.get((queue, job_id), ()) if parse_event_id(e.event_id) > place]

    async def wait(self, after: Mapping[JobKey, str], *, timeout_ms: int) -> dict[JobKey, list[JobEvent]]:
        """Return new events of several (queue, job id), each after its id; {} where none came in time."""
        deadline = time.monotonic() + timeout_ms / 1000
        while True:
            self._appended.clear()
            found = {key: await self.read(*key, after=place) for key, place in after.items()}
            if any(found.values()):
                return {key: events for key, events in found.items() if events}
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    await self._appended.wait()
            except TimeoutError:
                return {}
