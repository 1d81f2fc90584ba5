"""The feeds of jobs in memory; they behave like the Redis streams."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence

from kaboom.drivers.clock import Clock, utc_now
from kaboom.jobs.redis import keys
from kaboom.jobs.redis.events import Feed, FeedKey, JobEvent, parse_event_id

_KEPT = {Feed.EVENTS: 500, Feed.LINES: 1000, Feed.CHANGES: 5000}
_CHANGES = FeedKey("", "", Feed.CHANGES)


class MemoryEventLog:
    """`EventLog` in memory."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._feeds: dict[FeedKey, deque[JobEvent]] = {}
        self._last = (0, 0)
        self._appended = asyncio.Event()

    def append(self, queue: str, job_id: str, kind: str, data: str) -> None:
        """Add an event, with an id after every earlier one."""
        self._add(FeedKey(queue, job_id), kind, data)
        self._add(_CHANGES, kind, keys.job(queue, job_id))

    def forget(self, queue: str, job_id: str) -> None:
        """Drop the feeds of a job."""
        for feed in (Feed.EVENTS, Feed.LINES):
            self._feeds.pop(FeedKey(queue, job_id, feed), None)

    async def read(self, queue: str, job_id: str, *, after: str, feed: Feed = Feed.EVENTS) -> list[JobEvent]:
        place = parse_event_id(after)
        kept = self._feeds.get(FeedKey(queue, job_id, feed), ())
        return [event for event in kept if parse_event_id(event.event_id) > place]

    async def wait(self, after: Mapping[FeedKey, str], *, timeout_ms: int) -> dict[FeedKey, list[JobEvent]]:
        deadline = time.monotonic() + timeout_ms / 1000
        while True:
            self._appended.clear()
            found = {
                key: await self.read(key.queue, key.job_id, after=place, feed=key.feed) for key, place in after.items()
            }
            if any(found.values()):
                return {key: events for key, events in found.items() if events}
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    await self._appended.wait()
            except TimeoutError:
                return {}

    async def find_span(self, key: FeedKey) -> tuple[str, str] | None:
        kept = self._feeds.get(key)
        return (kept[0].event_id, kept[-1].event_id) if kept else None

    async def write_lines(self, lines: Mapping[FeedKey, Sequence[str]]) -> None:
        for key, texts in lines.items():
            # Every live job has at least the event that it was queued.
            if FeedKey(key.queue, key.job_id) in self._feeds:
                for text in texts:
                    self._add(key, "line", text)

    def _add(self, key: FeedKey, kind: str, data: str) -> None:
        ms, (last_ms, number) = int(self._clock().timestamp() * 1000), self._last
        self._last = (ms, 0) if ms > last_ms else (last_ms, number + 1)
        event = JobEvent(f"{self._last[0]}-{self._last[1]}", kind, data)
        self._feeds.setdefault(key, deque(maxlen=_KEPT[key.feed])).append(event)
        self._appended.set()
