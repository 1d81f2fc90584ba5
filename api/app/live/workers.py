"""The reports of workers, and the chunks that they run."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from batch.kit.clock import from_ms, to_ms


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process that reports itself."""

    name: str
    seen_at: datetime
    slots: int
    release: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """The facts that a worker reports besides its name and slots.

    `memory_bytes` is the resident memory of all its processes; None if it is not known.
    """

    host: str
    queues: tuple[str, ...]
    started_at: datetime
    memory_bytes: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the facts as JSON types."""
        return {
            "host": self.host,
            "queues": list(self.queues),
            "started_at": to_ms(self.started_at),
            "memory_bytes": self.memory_bytes,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "WorkerFacts":
        """Return the facts that `to_json` wrote."""
        return cls(values["host"], tuple(values["queues"]), from_ms(values["started_at"]), values.get("memory_bytes"))


@dataclass(frozen=True, slots=True)
class RunningChunk:
    """A leased chunk; `owner` is the owner of its job, `worker` the worker and slot that claimed it."""

    queue: str
    job_id: str
    n: str
    owner: str
    worker: str
    since: datetime | None
