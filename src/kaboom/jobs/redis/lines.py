"""The log lines of jobs, without values that could hold a secret, and how a process copies its lines there."""

import asyncio
import contextlib
import contextvars
import json
import math
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Self

import orjson

from kaboom.errors import StoreError
from kaboom.jobs.redis.events import EventLog, Feed, FeedKey

#: Lowest first; a reader asks for a level and all above it.
LEVELS = ("debug", "info", "warning", "error", "critical")
#: Longer texts are cut and further fields left out, so that a line has at most 4 kB.
_TEXT_KEPT = 400
_FIELDS_KEPT = 10
#: Fields that a line has elsewhere, or that only operators of the server may see.
_NO_FIELDS = frozenset({"event", "level", "timestamp", "logger", "job_id", "queue", "task", "request_id"})

type FieldValue = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class JobLine:
    """A log line: `at` is in ISO 8601 with a time zone, `event` is the event's name, `fields` are its details."""

    at: str
    level: str
    event: str
    fields: Mapping[str, FieldValue]

    def is_at_least(self, level: str) -> bool:
        """Return whether the line has this level or a higher one."""
        return LEVELS.index(self.level) >= LEVELS.index(level)

    def has_words(self, words: str) -> bool:
        """Return whether the line has each of some words in its level, event or fields; case does not matter."""
        text = " ".join(map(str, (self.level, self.event, *chain.from_iterable(self.fields.items())))).casefold()
        return all(word in text for word in words.casefold().split())

    def to_json(self) -> str:
        """Return the line as JSON text."""
        # The standard library's json accepts every text and number that was logged; orjson does not.
        return json.dumps([self.at, self.level, self.event, dict(self.fields)], separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the line that `to_json` wrote."""
        return cls(*orjson.loads(text))


def pick_line(logged: Mapping[str, Any]) -> tuple[FeedKey, JobLine] | None:
    """Return the part of a structlog line that a job's log keeps; None if the line names no job.

    Only plain values are kept: the text of an object could hold a secret.
    """
    queue, job_id = logged.get("queue"), logged.get("job_id")
    level = str(logged.get("level"))
    if not isinstance(queue, str) or not isinstance(job_id, str) or level not in LEVELS:
        return None
    plain = [(name, value) for name, value in logged.items() if isinstance(value, str | int | float | None)]
    kept = [(name, value) for name, value in plain if name not in _NO_FIELDS]
    fields = {name: _cut(value) for name, value in kept[:_FIELDS_KEPT]}
    at, event = str(logged.get("timestamp", "")), str(logged.get("event", ""))[:_TEXT_KEPT]
    return FeedKey(queue, job_id, Feed.LINES), JobLine(at, level, event, fields)


def _cut(value: Any) -> FieldValue:
    # A StrEnum is a str. NaN and infinity, which JSON does not have, become text.
    if isinstance(value, str):
        return value if len(value) <= _TEXT_KEPT else f"{value[:_TEXT_KEPT]}…"
    is_odd = isinstance(value, float) and not math.isfinite(value)
    return str(value) if is_odd else value


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
