"""A job's log lines: the parts of a logged line that are kept, without values that could hold a secret."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson

from kaboom.jobs.redis.events import Feed, FeedKey

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
