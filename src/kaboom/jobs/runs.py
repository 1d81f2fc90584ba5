"""The runs of a chunk, from claim to end, and the pauses of a job that follow from them; does no I/O."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kaboom.drivers.clock import from_ms, to_ms

#: How many of a chunk's newest runs are kept: a chunk that waits for a store gets a new run every 15 s.
RUNS_KEPT = 20
#: How many characters of a reason are kept with a run; the log has the whole reason.
REASON_KEPT = 200
#: The ending of a run whose worker stopped reporting.
EXPIRED = "expired"
_SLOT = re.compile(r"(.+)/([0-9]{1,6})(?::([0-9]+))?")


@dataclass(frozen=True, slots=True)
class ChunkRun:
    """One run of a chunk. Times are aware UTC, to the millisecond.

    Attributes:
        run: the number of the run, from 1.
        worker: the name under which a worker claimed it: that of `name_slot`, if the slot is known.
        ended_at: None while it runs.
        ending: `done`, `broken`, `released`, `waiting`, `expired`, `cancelled` or `failed`; "" while it runs.
        settled_before: items that earlier runs had settled; `failed_before` of them failed.
        settled: items that this run settled; `failed` of them failed.
        reason: why the run ended; "" if it is done.
        paused_until: until when the chunk was paused, if it was.

    """

    run: int
    worker: str
    started_at: datetime
    ended_at: datetime | None = None
    ending: str = ""
    settled_before: int = 0
    failed_before: int = 0
    settled: int = 0
    failed: int = 0
    reason: str = ""
    paused_until: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the run as JSON types, as the scripts of Redis write it: times in milliseconds since 1970."""
        values = {name: getattr(self, name) for name in ("worker", *_COUNTS)}
        values |= {name: text for name in ("ending", "reason") if (text := getattr(self, name))}
        return values | {name: to_ms(at) for name in _TIMES if (at := getattr(self, name))}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ChunkRun":
        """Return the run that `to_json` or a script wrote."""
        numbers = {name: int(values.get(name, 0)) for name in _COUNTS}
        texts = {name: str(values.get(name, "")) for name in ("worker", "ending", "reason")}
        times = {name: from_ms(values[name]) for name in _TIMES if values.get(name)}
        return cls(**numbers, **texts, **times)  # type: ignore[arg-type]


_COUNTS = ("run", "settled_before", "failed_before", "settled", "failed")
_TIMES = ("started_at", "ended_at", "paused_until")


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which chunks of a job waited for a provider or a store."""

    begins_at: datetime
    ends_at: datetime
    reason: str


def find_pauses(runs: Iterable[ChunkRun]) -> list[Pause]:
    """Return the pauses of a job, oldest first; overlapping pauses are merged into one, with the first reason."""
    asked = [(run.ended_at, run.paused_until, run.reason) for run in runs if run.ended_at and run.paused_until]
    pauses: list[Pause] = []
    for begins_at, ends_at, reason in sorted(asked):
        last = pauses[-1] if pauses else None
        if last and begins_at <= last.ends_at:
            pauses[-1] = Pause(last.begins_at, max(last.ends_at, ends_at), last.reason)
        else:
            pauses.append(Pause(begins_at, ends_at, reason))
    return pauses


def name_slot(worker: str, slot: int, *, pid: int | None = None) -> str:
    """Return the name under which a slot of a worker claims; slots count from 1, and may be separate processes."""
    return f"{worker}/{slot}" if pid is None else f"{worker}/{slot}:{pid}"


def split_slot(claimant: str) -> tuple[str, int | None]:
    """Return the worker of a claim, and its slot if it is known."""
    found = _SLOT.fullmatch(claimant)
    return (found[1], int(found[2])) if found else (claimant, None)


def find_pid(claimant: str) -> int | None:
    """Return the process of a claim; None if the slot is not a process of its own."""
    found = _SLOT.fullmatch(claimant)
    return int(found[3]) if found and found[3] else None
