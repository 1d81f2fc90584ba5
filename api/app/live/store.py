"""The port to live job state: who may do what to a job, and what each attempt answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from app.jobs.model import Chunk, Job, JobStatus, Tally
from app.jobs.runs import ChunkRun
from app.live.workers import RunningChunk, Worker, WorkerFacts
from batch.kit.redis.load import ServerLoad

#: How long a claim lasts without a heartbeat. A pause of the process longer than this costs one fenced repeat.
LEASE_S = 15.0
#: How often a running chunk reports, and extends its lease.
BEAT_S = 5.0
#: How long a published message may stay unclaimed, with none left in the queue, before it is sent again.
DISPATCH_S = 10.0
#: How long a chunk whose task raised waits for its next try, times the attempts it has had.
RETRY_S = 1.0
#: How long the message sent for such a chunk may stay unclaimed before the reaper looks where it is.
RESEND_S = 1.0
#: Claims without completion after which a chunk is dead.
MAX_ATTEMPTS = 3
#: A worker that has not been heard of for this long counts as gone.
WORKER_S = 20.0
#: For how long a worker that stopped without signing off is listed as lost.
LOST_S = 900.0
#: How many ids the list of newest jobs keeps.
NEWEST_KEPT = 100


@dataclass(frozen=True, slots=True)
class ChunkRef:
    """One chunk of one job, by name: all that a queue message carries."""

    queue: str
    job_id: str
    n: str


@dataclass(frozen=True, slots=True)
class Lease:
    """A time-limited exclusive claim of a chunk; `fence` grows with each claim and an older one is refused."""

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
    """A granted claim: the lease, the attempt number (1-based) and the chunk with its tally so far.

    `waits` says how often it was handed back because a store was away.
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
    BROKEN = "broken"  # the task raised; counted, and dead after MAX_ATTEMPTS
    FAILED = "failed"  # another attempt would not help: dead at once


@dataclass(frozen=True, slots=True)
class Ended:
    """What ending a run did: whether it counted, whether the chunk is dead, and whether the job became final."""

    is_accepted: bool
    is_dead: bool = False
    is_final: bool = False
    #: The runs of the chunk so far, this one last; of `JobStore.end` alone.
    runs: tuple[ChunkRun, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Expired:
    """An expired lease: its chunk goes back to the queue, is dead, or is cancelled with its job."""

    ref: ChunkRef
    verdict: str
    is_final: bool


class JobStore(Protocol):
    """Live job state. Each method is atomic; all raise StoreError when the store cannot be reached."""

    async def put(self, job: Job, chunks: Sequence[Chunk]) -> bool:
        """Record a job with the chunks it has so far, unless it is there; return whether it was new."""
        ...

    async def claim(self, ref: ChunkRef, *, owner: str) -> Claim | Refusal:
        """Take the exclusive lease of a chunk, or learn why not."""
        ...

    async def beat(self, lease: Lease, tally: Tally) -> Beat:
        """Report a tally and extend the lease."""
        ...

    async def set_plan(
        self,
        lease: Lease,
        plan: Mapping[str, Any],
        chunks: Sequence[Chunk],
        *,
        result: Mapping[str, Any] | None = None,
    ) -> Ended:
        """End the plan step: the job has these chunks now."""
        ...

    async def end(self, lease: Lease, ending: Ending, tally: Tally, *, error: str = "", pause_s: float = 0.0) -> Ended:
        """End a run of a chunk; one that goes back to the queue may run again after `pause_s` seconds.

        A pause is shown with the job, `error` being the reason: it lasts until the latest of its chunks may run.
        """
        ...

    async def fail(self, lease: Lease, error: Mapping[str, Any]) -> Ended:
        """End the plan step and the job: it cannot be done."""
        ...

    async def cancel(self, queue: str, job_id: str) -> Job | None:
        """Ask a job to stop: queued chunks end now, running ones at their next beat."""
        ...

    async def list_open(self, queues: Sequence[str]) -> list[str]:
        """Return the queues where a chunk runs, or waits for a claim or a retry; one round trip for all."""
        ...

    async def expire(self, queue: str) -> list[Expired]:
        """Take back the expired leases."""
        ...

    async def take_retries(self, queue: str) -> list[ChunkRef]:
        """Return the interrupted and broken chunks that may run again, each until it is claimed."""
        ...

    async def take_due(self, queue: str, *, older_than_s: float = 0.0) -> list[ChunkRef]:
        """Return the chunks whose message seems lost, and postpone when each is returned next."""
        ...

    async def load(self, queue: str, job_ids: Sequence[str]) -> list[Job | None]:
        """Return live jobs, None for those not there; one round trip for all."""
        ...

    async def statuses(self, queue: str, job_ids: Sequence[str]) -> list[JobStatus | None]:
        """Return the states of live jobs, None for those not there; one round trip for all."""
        ...

    async def load_chunks(self, queue: str, job_id: str) -> list[Chunk]:
        """Return the planned chunks of a job."""
        ...

    async def load_chunk(self, ref: ChunkRef) -> Chunk | None:
        """Return one chunk, None where it is not there."""
        ...

    async def newest(self, queue: str) -> list[str]:
        """Return the ids of the newest jobs, newest first, at most `NEWEST_KEPT`."""
        ...

    async def forget(self, queue: str, job_id: str) -> None:
        """Drop a job."""
        ...

    async def unsettled(self, queue: str) -> list[str]:
        """Return the ids of jobs whose end is not known to be in the ledger, oldest first, at most 1,000."""
        ...

    async def mark_settled(self, queue: str, job_id: str) -> bool:
        """Record that the ledger has the end of a job; return whether that was not recorded before."""
        ...

    async def report_worker(
        self, name: str, slots: int, release: str | None = None, *, facts: WorkerFacts | None = None
    ) -> None:
        """Record that a worker is alive, with the facts that it reports."""
        ...

    async def forget_worker(self, name: str, slots: int, release: str | None = None) -> None:
        """Remove a worker that was asked to stop: it is neither online nor lost."""
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
        """Return the leased chunks of a queue, and who runs them."""
        ...

    async def running(self, queue: str) -> int:
        """Return how many chunks of a queue are leased."""
        ...

    async def renew_epoch(self) -> bool:
        """Set a mark; return whether it was missing, which means that the store lost all data."""
        ...

    async def check(self) -> None:
        """Raise ConfigurationError if the server may evict keys or is a node of a cluster."""
        ...

    async def measure_servers(self) -> Mapping[str, ServerLoad]:
        """Return the load of each server behind the store, by name; empty for the in-memory store."""
        ...

    async def ping(self, *, fresh_s: float = 0.0) -> None:
        """Raise StoreError unless the store answers, or answered within the last `fresh_s` seconds."""
        ...

    async def try_write(self) -> None:
        """Raise StoreError unless the store accepts a small write, which is removed again."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
