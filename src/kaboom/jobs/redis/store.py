"""The port to live job state: claims, heartbeats, ends and cancellations of jobs and chunks, and lapsed leases."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from kaboom.drivers.redis.client import ServerLoad
from kaboom.jobs.model import Chunk, Job, JobStatus, Tally
from kaboom.jobs.redis.workers import RunningChunk, Worker, WorkerFacts
from kaboom.jobs.runs import ChunkRun, find_pid


class OnServers(Protocol):
    """The servers behind a part; without one the methods do nothing."""

    async def measure_servers(self) -> Mapping[str, ServerLoad]:
        """Return the load of each server by name."""
        ...

    async def check(self) -> None:
        """Raise ConfigurationError if a server may drop data, or is a node of a cluster."""
        ...

    async def try_write(self) -> None:
        """Raise StoreError unless every server accepts a small test write, which leaves no data."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class InMemory:
    """`OnServers` of a part in memory."""

    async def measure_servers(self) -> Mapping[str, ServerLoad]:
        return {}

    async def check(self) -> None:
        pass

    async def try_write(self) -> None:
        pass

    async def close(self) -> None:
        pass


#: How long a claim lasts without a heartbeat. After that the reaper asks whether the process is alive: if it died, or
#: its worker has not reported for as long either, another worker runs the chunk.
LEASE_S = 15.0
#: A process that is alive keeps its lease without a heartbeat for this long in all. After that it hangs.
SILENT_S = 120.0
#: How often a chunk gets an attempt back because the process that was believed dead came back. Without a bound a chunk
#: that freezes its worker each time would run for ever.
MOST_RETURNS = 10
#: How much older than its time the list of processes in a report may be.
_LAG_S = 2.0
#: How often a running chunk reports, and extends its lease.
BEAT_S = 5.0
#: How long a message may stay unclaimed in an empty queue before it is sent again.
DISPATCH_S = 10.0
#: The delay before a broken chunk is retried, multiplied by its attempts.
RETRY_S = 1.0
#: How long the message of a retried chunk may stay unclaimed before the reaper sends it again.
RESEND_S = 1.0
#: Claims without completion after which a chunk is dead.
MAX_ATTEMPTS = 3
#: A worker that has not reported for this long is offline.
WORKER_S = 20.0
#: How long a worker that stopped without signing off is listed as lost.
LOST_S = 900.0
#: How many ids the list of newest jobs keeps.
NEWEST_KEPT = 100


@dataclass(frozen=True, slots=True)
class ChunkRef:
    """The name of a chunk: everything that a queue message contains."""

    queue: str
    job_id: str
    n: str


@dataclass(frozen=True, slots=True)
class Lease:
    """An exclusive claim of a chunk for a limited time. `fence` grows with each claim; older fences are rejected."""

    ref: ChunkRef
    fence: str


class Refusal(StrEnum):
    """Why a claim was refused."""

    GONE = "gone"  # no such job
    STOP = "stop"  # the job is final or cancelling
    DUPLICATE = "duplicate"  # the chunk has ended already
    BUSY = "busy"  # another worker holds the lease


@dataclass(frozen=True, slots=True)
class Claim:
    """A granted claim: the lease, and the chunk with its attempt number (from 1) and its tally so far.

    `waits` counts how often it was handed back because a store was unavailable.
    """

    lease: Lease
    chunk: Chunk
    task: str
    owner: str
    request: Mapping[str, Any]
    plan: Mapping[str, Any] | None
    waits: int = 0


class Beat(StrEnum):
    """The answer to a heartbeat."""

    OK = "ok"
    CANCEL = "cancel"  # the job was cancelled: hand the chunk back as it is
    LOST = "lost"  # another worker has the lease now: write nothing more


class Ending(StrEnum):
    """How a chunk's run ends."""

    DONE = "done"
    CANCELLED = "cancelled"
    RELEASED = "released"  # handed back, by a worker that stops or for a pause; not counted as an attempt
    WAITING = "waiting"  # a store is unavailable: handed back for a pause; counted as a wait, not as an attempt
    BROKEN = "broken"  # the task raised; counted as an attempt, dead after MAX_ATTEMPTS
    FAILED = "failed"  # another attempt would not help: dead at once


@dataclass(frozen=True, slots=True)
class Ended:
    """The result of ending a run: whether it was accepted, whether the chunk is dead, whether the job became final."""

    is_accepted: bool
    is_dead: bool = False
    is_final: bool = False
    #: The runs of the chunk, this one last; set only by `JobStore.end`.
    runs: tuple[ChunkRun, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Expired:
    """An expired lease: its chunk goes back to the queue, is dead, or is cancelled with its job.

    `seen` says what was seen of its worker process (`kaboom.jobs.redis.store.Seen`).
    """

    ref: ChunkRef
    verdict: str
    is_final: bool
    seen: str


class WorkerReports(Protocol):
    """The reports of workers, and the chunks that they run; all methods raise StoreError, as those of `JobStore`."""

    async def report_worker(
        self, name: str, slots: int, release: str | None = None, *, facts: WorkerFacts | None = None
    ) -> None:
        """Record that a worker is alive, with the facts that it reports."""
        ...

    async def forget_worker(self, name: str, slots: int, release: str | None = None) -> None:
        """Remove a stopping worker, so that it is neither online nor lost."""
        ...

    async def workers(self) -> list[Worker]:
        """Return the workers seen in the last 20 seconds."""
        ...

    async def list_lost(self) -> list[Worker]:
        """Return the workers that stopped reporting in the last 15 minutes without being asked to stop."""
        ...

    async def load_facts(self, names: Sequence[str]) -> Mapping[str, WorkerFacts]:
        """Return the facts that workers reported; a worker without a report is left out."""
        ...

    async def load_running(self, queue: str) -> list[RunningChunk]:
        """Return the leased chunks of a queue, and the workers that run them."""
        ...


class JobStore(WorkerReports, OnServers, Protocol):
    """Live job state. Each method is atomic; all raise StoreError when the store cannot be reached."""

    async def put(self, job: Job, chunks: Sequence[Chunk]) -> bool:
        """Save a job and its chunks, unless it exists; return whether it was new."""
        ...

    async def claim(self, ref: ChunkRef, *, owner: str) -> Claim | Refusal:
        """Take the exclusive lease of a chunk; return the reason if this is refused."""
        ...

    async def beat(self, lease: Lease, tally: Tally) -> Beat:
        """Report a tally and extend the lease.

        If the lease was taken back, the process had not died: that attempt is not counted any more. The same holds for
        the other calls with a lease.
        """
        ...

    async def set_plan(
        self,
        lease: Lease,
        plan: Mapping[str, Any],
        chunks: Sequence[Chunk],
        *,
        result: Mapping[str, Any] | None = None,
    ) -> Ended:
        """End the plan step, and save the chunks of the job."""
        ...

    async def end(self, lease: Lease, ending: Ending, tally: Tally, *, error: str = "", pause_s: float = 0.0) -> Ended:
        """End a run of a chunk; a chunk that goes back to the queue may run again after `pause_s` seconds.

        The job shows the pause, with `error` as its reason, until the last paused chunk may run.
        """
        ...

    async def fail(self, lease: Lease, error: Mapping[str, Any]) -> Ended:
        """End the plan step and the job as failed."""
        ...

    async def cancel(self, queue: str, job_id: str) -> Job | None:
        """Cancel a job: queued chunks end now, running ones at their next heartbeat. Return None for an unknown job."""
        ...

    async def list_open(self, queues: Sequence[str]) -> list[str]:
        """Return the queues where a chunk runs, or waits for a claim or a retry; one round trip for all."""
        ...

    async def expire(self, queue: str) -> list[Expired]:
        """Take back the expired leases of processes that died, hang, or whose worker is gone."""
        ...

    async def take_retries(self, queue: str) -> list[ChunkRef]:
        """Return the interrupted and broken chunks that may run again, each until it is claimed."""
        ...

    async def take_due(self, queue: str, *, older_than_s: float = 0.0) -> list[ChunkRef]:
        """Return the chunks whose message seems lost, and postpone when each is returned next."""
        ...

    async def load(self, queue: str, job_ids: Sequence[str]) -> list[Job | None]:
        """Return live jobs, None for unknown ones, in one round trip."""
        ...

    async def statuses(self, queue: str, job_ids: Sequence[str]) -> list[JobStatus | None]:
        """Return the states of live jobs, None for those without a record or with a damaged one, in one round trip."""
        ...

    async def load_chunks(self, queue: str, job_id: str) -> list[Chunk]:
        """Return the planned chunks of a job."""
        ...

    async def load_chunk(self, ref: ChunkRef) -> Chunk | None:
        """Return one chunk, or None."""
        ...

    async def newest(self, queue: str) -> list[str]:
        """Return the ids of the newest jobs, newest first, at most `NEWEST_KEPT`."""
        ...

    async def forget(self, queue: str, job_id: str) -> None:
        """Drop a job."""
        ...

    async def unsettled(self, queue: str) -> list[str]:
        """Return the ids of jobs that are not marked as settled in the ledger, oldest first, at most 1,000."""
        ...

    async def mark_settled(self, job: Job) -> bool:
        """Record that the ledger has this end of a job; return whether that was not recorded before.

        Nothing is recorded if the live job has another end or none: a failover may have taken it back.
        """
        ...

    async def running(self, queue: str) -> int:
        """Return how many chunks of a queue are leased."""
        ...

    async def renew_epoch(self) -> bool:
        """Set a mark; return whether it was missing, which means that the store lost all data."""
        ...

    async def ping(self, *, fresh_s: float = 0.0) -> None:
        """Raise StoreError unless the store answers, or answered within the last `fresh_s` seconds."""
        ...


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
