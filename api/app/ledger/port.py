"""The port to the job ledger: the durable record that outlives Redis."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Protocol

from app.jobs.model import Chunk, Job, JobStatus
from app.ledger.activity import Activity, ActivityQuery
from app.ledger.dead_letters import DeadLetter, DeadLetterQuery
from app.ledger.outbox.port import Outbox
from batch.errors import Conflict, InvalidRequest

API_KEY_BYTES = 32
#: How long an Idempotency-Key is remembered.
KEY_KEPT_H = 24


class KeyReused(InvalidRequest):
    """The Idempotency-Key was used with another request before."""


class JobDeleted(Conflict):
    """The job of this Idempotency-Key was deleted."""

    @classmethod
    def of_key(cls, job_id: str) -> "JobDeleted":
        """Return the error for a deleted job."""
        return cls(f"the job of this Idempotency-Key, {job_id}, was deleted: a new job needs a new key")


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs to list, newest first.

    Attributes:
        queues: any of these, at least one.
        statuses: any of these; empty for all.
        since: requested then or later. until: requested before then.
        words: the job mentions each of them (`app.ledger.search`).
        before: the (requested_at, job_id) of the last job of the previous page.
        down_to: the (requested_at, job_id) of the oldest job to search.

    """

    queues: tuple[str, ...]
    owner: str
    statuses: frozenset[JobStatus] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    words: tuple[str, ...] = ()
    before: tuple[datetime, str] | None = None
    down_to: tuple[datetime, str] | None = None
    limit: int = 50


#: How many old jobs are deleted at once, so that a transaction takes milliseconds.
PRUNE_STEP = 100
#: How many unfinished jobs are read at once.
UNFINISHED_PAGE = 1000
#: How many ended jobs are read at once.
ENDED_PAGE = 200


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A job that is not final."""

    job_id: str
    status: JobStatus
    requested_at: datetime

    @property
    def place(self) -> tuple[datetime, str]:
        """The sort key of unfinished jobs, oldest first."""
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
    """The terms of a submission.

    Attributes:
        fingerprint: equal for requests of the same work.
        key: digest of the caller's Idempotency-Key; for 24 hours the same key and request return the same job.
        may_join: whether an unfinished job of the same owner and request may be returned instead of a new one.
        callback_url: gets a webhook when the job ends; not part of the fingerprint.

    """

    fingerprint: str
    key: str | None = None
    may_join: bool = False
    callback_url: str | None = field(default=None, repr=False)

    @property
    def submission(self) -> str:
        """What must be equal when an Idempotency-Key is repeated: the work and the callback URL."""
        if self.callback_url is None:
            return self.fingerprint
        return sha256(f"{self.fingerprint} {self.callback_url}".encode()).hexdigest()


class Admitted(StrEnum):
    """The result of a submission."""

    NEW = "new"
    REPLAYED = "replayed"  # the Idempotency-Key was used before
    JOINED = "joined"  # an unfinished job of the same request


@dataclass(frozen=True, slots=True)
class Admission:
    """The job of a submission, and whether it is new."""

    job: Job
    how: Admitted


class JobHistory(Protocol):
    """The job ledger. Each method is one transaction; all raise StoreError if the ledger is unavailable."""

    @property
    def outbox(self) -> Outbox:
        """The webhooks about its jobs."""
        ...

    async def admit(self, job: Job, terms: Terms) -> Admission:
        """Save a new job, or return the existing job of its key or request. Of concurrent submissions one is new.

        The callback of a new job is saved with it; for a joined job the caller registers it by `outbox.register`.
        The key of a submission that joined is bound by `confirm_join`, not here.

        Raises:
            KeyReused: the Idempotency-Key was used with another request before.
            JobDeleted: the job of the key was deleted.

        """
        ...

    async def confirm_join(self, job: Job, terms: Terms) -> Admission:
        """Bind a key to the job that its submission joined; call it once the job is known not to have ended.

        If the key was bound to another job meanwhile, that job is returned.

        Raises:
            KeyReused: the key was bound with another request.
            JobDeleted: the job of the key was deleted.

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
        """Save the first plan of a job; return the saved plan. A second plan changes nothing.

        A job that ended without a plan, for example because it was cancelled, gets none.

        Raises:
            NotFound: the job is not in the ledger, so it was never accepted.

        """
        ...

    async def save_status(self, job_id: str, status: JobStatus) -> None:
        """Save the state of a job, if the job may change to it; otherwise do nothing."""
        ...

    async def save_chunk(self, job_id: str, chunk: Chunk) -> None:
        """Save the end of a chunk, unless it has ended already."""
        ...

    async def save_final(self, job: Job, chunks: Sequence[Chunk] = ()) -> Job | None:
        """Save the end of a job and of its chunks; return the saved job, None if the ledger does not have it.

        This makes its webhooks due. A job that is final already does not change. A job that ends without a plan gets
        neither plan nor chunks.
        """
        ...

    async def load(self, queue: str, job_id: str) -> Job | None:
        """Return a job of a queue."""
        ...

    async def load_chunks(self, job_id: str) -> list[Chunk]:
        """Return the planned chunks of a job. A chunk is saved when it ends, not while it runs."""
        ...

    async def list_jobs(self, query: JobQuery) -> list[Job]:
        """Return the jobs that match a query, newest first."""
        ...

    async def find_end(self, query: JobQuery, *, jobs: int) -> tuple[datetime, str] | None:
        """Return the place of job number `jobs` of a query without its words; None if there are fewer.

        Use it as `down_to`, to limit how many jobs a search for words reads.
        """
        ...

    async def unfinished(
        self, queue: str, *, older_than_s: float, after: tuple[datetime, str] | None = None
    ) -> list[Unfinished]:
        """Return unfinished jobs of at least this age, oldest first, at most `UNFINISHED_PAGE` after a place."""
        ...

    async def recent_ends(self, queue: str, *, since: datetime, after: tuple[datetime, str] | None = None) -> list[Job]:
        """Return jobs that ended since a time, oldest end first: `ENDED_PAGE` after a (completed_at, job_id)."""
        ...

    async def stats(self, queue: str, *, owner: str | None = None) -> LedgerStats:
        """Return the statistics of a queue, for the jobs of an owner or of all owners."""
        ...

    async def activity(self, query: ActivityQuery) -> Mapping[str, Activity]:
        """Return for each queue the settled items, ended jobs and waiting jobs of each time step."""
        ...

    async def dead_letters(self, query: DeadLetterQuery) -> list[DeadLetter]:
        """Return the dead chunks, newest first."""
        ...

    async def ended(self, queue: str, tasks: Collection[str], *, since: datetime) -> list[Job]:
        """Return jobs of some tasks, of all owners, that ended completed or partial at `since` or later."""
        ...

    async def load_api_key(self, name: str) -> bytes:
        """Return the secret key of a name, 32 random bytes; the first call creates it."""
        ...

    async def tidy(self) -> None:
        """Sum up the counts since the last call. Any process may call this at any time."""
        ...

    async def prune(self, queue: str, *, days: int) -> list[str]:
        """Delete the oldest jobs of a queue that ended more than `days` ago, at most `PRUNE_STEP`; return their ids.

        Concurrent calls delete different jobs. An unfinished job is never deleted.
        """
        ...

    async def delete(self, job_id: str) -> None:
        """Delete a job and its chunks."""
        ...

    async def ping(self) -> None:
        """Raise StoreError unless the ledger answers and has its schema."""
        ...

    async def try_write(self) -> None:
        """Raise StoreError unless the ledger accepts a small write, which is removed again."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
