"""Copy the log lines of a process to the logs of its jobs: lines are collected, and written at most twice a second."""

import asyncio
import contextlib
import contextvars
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kaboom.errors import StoreError
from kaboom.jobs.redis.events import EventLog, FeedKey
from kaboom.jobs.redis.lines import JobLine, pick_line

#: How long lines are collected.
PERIOD_S = 0.5
#: The most lines that wait to be written, for example while Redis is unavailable; more are dropped and counted.
_MOST_WAITING = 5000
#: How long writing the last lines of a process may take.
_LAST_S = 1.0


class LineWriter:
    """Takes log lines on any thread without waiting, and writes the lines of jobs; a lost line never harms a job.

    Create it on the event loop that it writes on.
    """

    def __init__(self, log: EventLog, *, most_waiting: int = _MOST_WAITING) -> None:
        self._log = log
        self._most_waiting = most_waiting
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._waiting: list[tuple[FeedKey, JobLine]] = []
        self._dropped: Counter[FeedKey] = Counter()
        self._is_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._is_closed = False

    def take(self, logged: Mapping[str, Any]) -> None:
        """Queue a line that structlog has processed, if it names a job."""
        picked = pick_line(logged)
        if picked is None:
            return
        with self._lock:
            if len(self._waiting) < self._most_waiting:
                self._waiting.append(picked)
            else:
                self._dropped[picked[0]] += 1
            is_due, self._is_due = self._is_due, True
        if not is_due:
            self._schedule()

    async def close(self) -> None:
        """Write the waiting lines, if that succeeds within about a second; no task and no timer is left behind."""
        self._is_closed = True
        if self._timer:
            self._timer.cancel()
        if self._writing:
            _, late = await asyncio.wait([self._writing], timeout=_LAST_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        with contextlib.suppress(StoreError, TimeoutError):
            async with asyncio.timeout(_LAST_S):
                await self._write()

    def _schedule(self) -> None:
        # In an empty context: a warning during the write must not look like a line of the job that logged first.
        # A RuntimeError means that the loop is closed, and the process is ending.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._write_later, context=contextvars.Context())

    def _write_later(self) -> None:
        if not self._is_closed:
            self._timer = self._loop.call_later(PERIOD_S, self._begin)

    def _begin(self) -> None:
        if self._writing and not self._writing.done():
            # One write at a time: only this object refers to its task, which would be lost with a second one.
            self._write_later()
            return
        with self._lock:
            self._is_due = False
        self._writing = self._loop.create_task(self._write_or_wait(), name="line-writer")

    async def _write_or_wait(self) -> None:
        try:
            await self._write()
        except StoreError:
            with self._lock:
                is_due, self._is_due = self._is_due, True
            if not is_due:
                self._schedule()

    async def _write(self) -> None:
        """Write the waiting lines; if that fails, keep them waiting."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            dropped, self._dropped = self._dropped, Counter()
            self._is_due = False
        if not waiting and not dropped:
            return
        texts = defaultdict(list)
        for key, line in waiting:
            texts[key].append(line.to_json())
        for key, count in dropped.items():
            line = JobLine(datetime.now(UTC).isoformat(), "warning", "lines_dropped", {"count": count})
            texts[key].append(line.to_json())
        try:
            await self._log.write_lines(texts)
        except BaseException:
            with self._lock:
                self._waiting = waiting + self._waiting
                self._dropped += dropped
            raise
