"""The reports of workers, and the chunks that they run."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kaboom.drivers.clock import from_ms, to_ms


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

    `memory_bytes` is the resident memory of all its processes; None if it is not known. `pids` are the processes of its
    pool that are alive; None if its slots are not processes of their own.
    """

    host: str
    queues: tuple[str, ...]
    started_at: datetime
    memory_bytes: int | None = None
    pids: tuple[int, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the facts as JSON types."""
        return {
            "host": self.host,
            "queues": list(self.queues),
            "started_at": to_ms(self.started_at),
            "memory_bytes": self.memory_bytes,
            "pids": None if self.pids is None else list(self.pids),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "WorkerFacts":
        """Return the facts that `to_json` wrote."""
        started_at, pids = from_ms(values["started_at"]), values.get("pids")
        pids = None if pids is None else tuple(pids)
        return cls(values["host"], tuple(values["queues"]), started_at, values.get("memory_bytes"), pids)


@dataclass(frozen=True, slots=True)
class RunningChunk:
    """A leased chunk; `owner` is the owner of its job, `worker` the worker and slot that claimed it."""

    queue: str
    job_id: str
    n: str
    owner: str
    worker: str
    since: datetime | None
