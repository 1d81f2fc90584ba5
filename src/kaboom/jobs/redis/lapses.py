"""Leases that ran out: whether the worker process lives, what is seen of it, and what is said of a chunk's lapses."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from kaboom.jobs.redis.store import LEASE_S, SILENT_S
from kaboom.jobs.runs import find_pid

#: How often a chunk gets an attempt back because the process that was believed dead came back. Without a bound a chunk
#: that freezes its worker each time would run for ever.
MOST_RETURNS = 10
#: How much older than its time the list of processes in a report may be.
_LAG_S = 2.0


class Seen(StrEnum):
    """What is seen of a worker process whose lease is taken back; the text is shown to callers."""

    DIED = "the worker process died"
    GONE = f"the worker was not heard of for {LEASE_S:g} s"
    SILENT = f"the worker process was alive, but sent no heartbeat for {SILENT_S:g} s"


@dataclass(frozen=True, slots=True)
class Report:
    """The last report of a worker: how long ago it came, and the processes of its pool that were alive.

    `pids` is None for a worker whose slots are not processes of their own.
    """

    age_s: float
    pids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Lapse:
    """A lease that was taken back and counts as an attempt, unless its process comes back."""

    fence: str
    owner: str
    seen: str


def judge_lapse(owner: str, silent_s: float, report: Report | None) -> Seen | None:
    """Return what is seen of the process `owner` whose lease ran out; None if it lives and keeps its lease.

    A worker's main process reports which processes of its pool are alive, whatever these do: an import, a kernel or a
    starved machine may keep a process from its heartbeat. A process that is silent for `SILENT_S` hangs.
    """
    if report is None or report.age_s > LEASE_S:
        return Seen.GONE
    pid = find_pid(owner)
    if pid is not None and pid not in (report.pids or ()):
        # A process that is younger than the report is not in it.
        return Seen.DIED if silent_s > report.age_s + _LAG_S else None
    return Seen.SILENT if silent_s > SILENT_S else None


def describe_lapses(lapses: Iterable[Lapse], attempts: int) -> str:
    """Return in how many attempts a lease was taken back, and what was seen of the processes."""
    found = list(lapses)
    by_text = {lapse.seen: lapse.owner for lapse in found}
    counted = {seen: sum(lapse.seen == seen for lapse in found) for seen in by_text}
    return "; ".join(
        f"in {counted[seen]} of {attempts} attempts {seen} (last: {owner})" for seen, owner in by_text.items()
    )
