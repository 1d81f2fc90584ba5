"""The port to the job ledger: the durable record that outlives Redis."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Protocol

from kaboom.errors import Conflict, InvalidRequest, NotFound
from kaboom.jobs.model import Chunk, Job, JobStatus
from kaboom.jobs.postgres.activity import Activity, ActivityQuery
from kaboom.jobs.postgres.dead_letters import DeadLetter, DeadLetterQuery
from kaboom.jobs.postgres.outbox import Outbox
from kaboom.web.auth.changes import Change

#: How long an Idempotency-Key is kept.
KEY_KEPT_H = 24


class KeyReused(InvalidRequest):
    """An Idempotency-Key that was used with another request before."""

    def __init__(self) -> None:
        super().__init__("the Idempotency-Key came with another request before: a new request needs a new key")


class JobDeleted(Conflict):
    """The job of this Idempotency-Key was deleted."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"the job of this Idempotency-Key, {job_id}, was deleted: a new job needs a new key")


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs to list, newest first.

    Attributes:
        queues: any of these, at least one.
        statuses: any of these; empty means all. tasks: the same.
        since: requested at this time or later. until: requested before this time.
        is_retried: whether the job has a child; None for both.
        parent_id: only the retries of this job.
        words: the job mentions each of them (`kaboom.jobs.postgres.queries`).
        before: the (requested_at, job_id) of the last job already seen.
        down_to: the (requested_at, job_id) of the oldest job to look at.

    """

    queues: tuple[str, ...]
    owner: str
    statuses: frozenset[JobStatus] = frozenset()
    tasks: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    is_retried: bool | None = None
    parent_id: str | None = None
    words: tuple[str, ...] = ()
    before: tuple[datetime, str] | None = None
    down_to: tuple[datetime, str] | None = None
    limit: int = 50


#: How many old jobs are deleted in one transaction, with their chunks; it takes milliseconds.
PRUNE_STEP = 100
#: How many unfinished jobs are read at once.
UNFINISHED_PAGE = 1000
#: How many ended jobs are read at once.
ENDED_PAGE = 200


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A job that is not final, and when it was requested."""

    job_id: str
    status: JobStatus
    requested_at: datetime

    @property
    def place(self) -> tuple[datetime, str]:
        """The key by which these jobs are sorted, oldest first."""
        return self.requested_at, self.job_id


@dataclass(frozen=True, slots=True)
class LedgerStats:
    """The statistics of a queue: seconds, jobs per window, and fractions from 0 to 1."""

    by_status: Mapping[str, int] = field(default_factory=dict)
    oldest_queued_s: float | None = None
    finished_1m: int = 0
    finished_1h: int = 0
    p50_runtime_s: float | None = None
    p95_runtime_s: float | None = None
    success_rate_24h: float | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms on which a job is submitted.

    Attributes:
        fingerprint: a hash of the task and its request; equal hashes mean the same work.
        key: digest of the caller's Idempotency-Key; for 24 hours the same key and request return the same job.
        may_join: whether the submission may join an unfinished job of the same owner and request.
        callback_url: where the job's end is posted to; not part of the fingerprint.
        change: the submission as a change, for the audit log; its target is the job.

    """

    fingerprint: str
    key: str | None = None
    may_join: bool = False
    callback_url: str | None = field(default=None, repr=False)
    change: Change | None = field(default=None, repr=False, compare=False)

    @property
    def overlap_key(self) -> str | None:
        """What the submission may join, and be joined by; None if it may not."""
        return self.fingerprint if self.may_join else None

    @property
    def submission(self) -> str:
        """A hash of the work and the callback URL; a repeated Idempotency-Key must come with the same hash."""
        if self.callback_url is None:
            return self.fingerprint
        return sha256(f"{self.fingerprint} {self.callback_url}".encode()).hexdigest()


class Admitted(StrEnum):
    """The result of a submission."""

    NEW = "new"
    REPLAYED = "replayed"  # an earlier submission had the same Idempotency-Key
    JOINED = "joined"  # an unfinished job has the same request


@dataclass(frozen=True, slots=True)
class Admission:
    """The job of a submission, how it was admitted, and whether its change is in the audit log already."""

    job: Job
    how: Admitted
    is_logged: bool = False


class JobHistory(Protocol):
    """The job ledger. Each method is one transaction; all raise StoreError when the ledger is unavailable."""

    @property
    def outbox(self) -> Outbox:
        """The webhooks about its jobs."""
        ...

    async def admit(self, job: Job, terms: Terms) -> Admission:
        """Record a job, or return the existing job of its key or request; concurrent submissions create exactly one.

        The callback URL of a new job is saved with it; the callback of a joined job is saved by `outbox.register`.
        The key of a submission that joined is bound to no job until `confirm_join`.

        Raises:
            KeyReused: the Idempotency-Key was used with another request before.
            JobDeleted: the job of the Idempotency-Key was deleted.

        """
        ...

    async def confirm_join(self, job: Job, terms: Terms) -> Admission:
        """Bind a key to the job that its submission joined, once the job is known not to have ended.

        If another submission has bound the key in the meantime, return the job of that submission.

        Raises:
            KeyReused: the other submission had another request.
            JobDeleted: the job of the other submission was deleted.

        """
        ...

    async def save_plan(
        self,
        job_id: str,
        plan: Mapping[str, Any],
        chunks: Sequence[Chunk],
        *,
        result: Mapping[str, Any] | None = None,
    ) -> tuple[Mapping[str, Any], list[Chunk]]:
        """Save the plan of a job unless it has one, and return the plan that is saved: the first plan wins.

        A job that ended without a plan, for example by a cancel, keeps none.

        Raises:
            NotFound: the job is not in the ledger, so it was never accepted.

        """
        ...

    async def save_status(self, job_id: str, status: JobStatus) -> None:
        """Save a state if the job can change to it; otherwise leave the job unchanged."""
        ...

    async def save_chunk(self, job_id: str, chunk: Chunk) -> None:
        """Save the end of a chunk; a chunk that has already ended stays unchanged."""
        ...

    async def save_final(self, job: Job, chunks: Sequence[Chunk] = ()) -> Job | None:
        """Save the end of a job and of its chunks; return the saved job, None if the ledger does not have it.

        This releases the webhooks of the job. A job that is already final stays unchanged. A job that ended without a
        plan keeps no plan and no chunks.
        """
        ...

    async def load(self, queue: str, job_id: str) -> Job | None:
        """Return a job of a queue."""
        ...

    async def load_chunks(self, job_id: str) -> list[Chunk]:
        """Return the planned chunks of a job as they were last saved."""
        ...

    async def list_jobs(self, query: JobQuery) -> list[Job]:
        """Return the jobs that match a query, newest first."""
        ...

    async def find_end(self, query: JobQuery, *, jobs: int) -> tuple[datetime, str] | None:
        """Return the (requested_at, job_id) of the `jobs`-th job of a query without its words; None if there are fewer.

        As `down_to` it limits how many jobs a search for words reads.
        """
        ...

    async def unfinished(
        self, queue: str, *, older_than_s: float, after: tuple[datetime, str] | None = None
    ) -> list[Unfinished]:
        """Return the oldest `UNFINISHED_PAGE` jobs after a place that are not final and at least `older_than_s` old."""
        ...

    async def recent_ends(self, queue: str, *, since: datetime, after: tuple[datetime, str] | None = None) -> list[Job]:
        """Return up to `ENDED_PAGE` jobs that ended at `since` or later, oldest end first, after a place."""
        ...

    async def stats(self, queue: str, *, owner: str | None = None) -> LedgerStats:
        """Return the statistics of a queue, for the jobs of one owner or of all owners."""
        ...

    async def activity(self, query: ActivityQuery) -> Mapping[str, Activity]:
        """Return the activity of each queue."""
        ...

    async def dead_letters(self, query: DeadLetterQuery) -> list[DeadLetter]:
        """Return the dead chunks, newest first."""
        ...

    async def ended(self, queue: str, tasks: Collection[str], *, since: datetime) -> list[Job]:
        """Return the completed and partial jobs of some tasks, of all owners, that ended at `since` or later."""
        ...

    async def load_api_key(self, name: str) -> bytes | None:
        """Return the sealed key with a name; None if there is none."""
        ...

    async def replace_api_key(self, name: str, old: bytes | None, new: bytes) -> bool:
        """Save a sealed key if `old` is still the one with this name, None if there is none; return whether it was."""
        ...

    async def tidy(self) -> None:
        """Merge the job counts that have accumulated since the last call; any process may call it at any time."""
        ...

    async def prune(self, queue: str, *, days: int) -> list[str]:
        """Drop the oldest jobs of a queue that ended more than `days` days ago, at most `PRUNE_STEP`; return their ids.

        Concurrent calls drop different jobs. A job that has not ended is never dropped.
        """
        ...

    async def delete(self, job_id: str) -> None:
        """Delete a job and its chunks."""
        ...

    async def try_write(self) -> str:
        """Raise StoreError unless the schema is new enough and the ledger accepts a small write, which leaves no data.

        Return a sentence if a newer release has migrated the schema, else "".
        """
        ...


def does_mention(job: Job, word: str) -> bool:
    """Return whether a job mentions a word, by the rules of `kaboom.jobs.postgres.queries.mentions`."""
    contained = (job.task, job.request.get("market") or "", (job.error or {}).get("message") or "")
    return (
        job.job_id.startswith(word.lower())
        or any(word.lower() in text.lower() for text in contained)
        or not {word, word.upper(), word.lower()}.isdisjoint(_texts(job.request))
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


@dataclass(frozen=True, slots=True)
class OwnHistory:
    """Reads the ledger's jobs of one owner; a job of somebody else does not exist for it."""

    history: JobHistory
    owner: str

    async def load(self, queue: str, job_id: str) -> Job:
        """Return a job of a queue.

        Raises:
            NotFound: the owner has no such job.
            StoreError: the ledger is unavailable.

        """
        job = await self.history.load(queue, job_id)
        if job is None or job.owner != self.owner:
            raise NotFound(f"job {job_id} does not exist in queue {queue}")
        return job

    async def load_chunks(self, queue: str, job_id: str) -> list[Chunk]:
        """Return the planned chunks of a job of a queue; raises as `load`."""
        await self.load(queue, job_id)
        return await self.history.load_chunks(job_id)
