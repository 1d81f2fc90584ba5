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
    """An Idempotency-Key that came with another request before."""


class JobDeleted(Conflict):
    """An Idempotency-Key whose job was deleted."""

    @classmethod
    def of_key(cls, job_id: str) -> "JobDeleted":
        """Return the error of a key that stood for a job."""
        return cls(f"the job of this Idempotency-Key, {job_id}, was deleted: a new job needs a new key")


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs to list, newest first.

    Attributes:
        queues: any of these, at least one.
        statuses: any of these; none means all.
        since: requested then or later. until: requested before then.
        words: the job mentions each of them (`app.ledger.search`).
        before: the (requested_at, job_id) of the last one already seen.
        down_to: the (requested_at, job_id) of the last one to look at.

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


#: How many old jobs are dropped at once: with their chunks a transaction of milliseconds.
PRUNE_STEP = 100
#: How many unfinished jobs are read at once.
UNFINISHED_PAGE = 1000
#: How many ended jobs are read at once.
ENDED_PAGE = 200


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A job that is not final, and since when."""

    job_id: str
    status: JobStatus
    requested_at: datetime

    @property
    def place(self) -> tuple[datetime, str]:
        """Where the job stands among the others, oldest first."""
        return self.requested_at, self.job_id


@dataclass(frozen=True, slots=True)
class LedgerStats:
    """What the ledger knows of a queue: seconds, jobs per window, and fractions from 0 to 1."""

    by_status: Mapping[str, int] = field(default_factory=dict)
    oldest_queued_s: float | None = None
    finished_1m: int = 0
    finished_1h: int = 0
    p50_runtime_s: float | None = None
    p95_runtime_s: float | None = None
    success_rate_24h: float | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a job is submitted.

    Attributes:
        fingerprint: what makes two requests the same work.
        key: digest of the caller's Idempotency-Key; the same key and request is the same job for 24 hours.
        may_join: whether an unfinished job of the same owner and request is as good as a new one.
        callback_url: whom to tell of the job's end; no part of the work.

    """

    fingerprint: str
    key: str | None = None
    may_join: bool = False
    callback_url: str | None = field(default=None, repr=False)

    @property
    def submission(self) -> str:
        """What a repeated Idempotency-Key must come with again: the work, and whom to tell."""
        if self.callback_url is None:
            return self.fingerprint
        return sha256(f"{self.fingerprint} {self.callback_url}".encode()).hexdigest()


class Admitted(StrEnum):
    """What became of a submission."""

    NEW = "new"
    REPLAYED = "replayed"  # the same Idempotency-Key was there already
    JOINED = "joined"  # the same request is not finished yet


@dataclass(frozen=True, slots=True)
class Admission:
    """The job that a submission got, and how."""

    job: Job
    how: Admitted


class JobHistory(Protocol):
    """The job ledger. Each method is one transaction; all raise StoreError where it cannot be reached."""

    @property
    def outbox(self) -> Outbox:
        """The webhooks about its jobs."""
        ...

    async def admit(self, job: Job, terms: Terms) -> Admission:
        """Record a job, or find the one that stands for it; of many at once exactly one is new.

        Whom to tell of the end of a new job is recorded with it; who joined is registered by `outbox.register`.
        The key of a submission that joined stands for nothing until `confirm_join`.

        Raises:
            KeyReused: the Idempotency-Key came with another request before.
            JobDeleted: its job was deleted.

        """
        ...

    async def confirm_join(self, job: Job, terms: Terms) -> Admission:
        """Have a key stand for the job that its submission joined, once that is known not to have ended.

        Where the key has come to stand for a job meanwhile, that one is the answer.

        Raises:
            KeyReused: it did so with another request.
            JobDeleted: that job was deleted.

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
        """Keep the first plan of a job, and return what is kept: a repeated planning changes nothing.

        A job that ended without a plan, cancelled for one, keeps none.

        Raises:
            NotFound: the job is not in the ledger, so it was never accepted.

        """
        ...

    async def save_status(self, job_id: str, status: JobStatus) -> None:
        """Keep a state that a job can change to; any other job stays as it is."""
        ...

    async def save_chunk(self, job_id: str, chunk: Chunk) -> None:
        """Keep the end of a chunk; a chunk that has ended already stays as it is."""
        ...

    async def save_final(self, job: Job, chunks: Sequence[Chunk] = ()) -> Job | None:
        """Keep the end of a job and of its chunks as they add up to it; return what is kept, None if nothing is.

        Its webhooks are sent then. A job that is final already stays as it is. One that ended without its plan keeps
        none, nor chunks.
        """
        ...

    async def load(self, queue: str, job_id: str) -> Job | None:
        """Return a job of a queue."""
        ...

    async def load_chunks(self, job_id: str) -> list[Chunk]:
        """Return the planned chunks of a job, as far as they had ended when last written."""
        ...

    async def list_jobs(self, query: JobQuery) -> list[Job]:
        """Return the jobs that a query asks for, newest first."""
        ...

    async def find_end(self, query: JobQuery, *, jobs: int) -> tuple[datetime, str] | None:
        """Return the place of the last of so many jobs that a query without its words lists; None if there are fewer.

        As `down_to` it bounds what a search for words reads.
        """
        ...

    async def unfinished(
        self, queue: str, *, older_than_s: float, after: tuple[datetime, str] | None = None
    ) -> list[Unfinished]:
        """Return jobs that are not final, accepted at least so long ago: the oldest `UNFINISHED_PAGE` after a place."""
        ...

    async def recent_ends(self, queue: str, *, since: datetime, after: tuple[datetime, str] | None = None) -> list[Job]:
        """Return jobs that ended at a time or later, oldest end first: `ENDED_PAGE` after a (completed_at, job_id)."""
        ...

    async def stats(self, queue: str, *, owner: str | None = None) -> LedgerStats:
        """Return what the ledger knows of a queue: of the jobs of an owner, or of all."""
        ...

    async def activity(self, query: ActivityQuery) -> Mapping[str, Activity]:
        """Return by queue what was settled, what ended and what waited in each stretch of time."""
        ...

    async def dead_letters(self, query: DeadLetterQuery) -> list[DeadLetter]:
        """Return the chunks that were given up, newest first."""
        ...

    async def ended(self, queue: str, tasks: Collection[str], *, since: datetime) -> list[Job]:
        """Return the jobs of some tasks, of all owners, that were completed in whole or in part at `since` or later."""
        ...

    async def load_api_key(self, name: str) -> bytes:
        """Return the secret key of a name, 32 random bytes; the first call of any process makes it."""
        ...

    async def tidy(self) -> None:
        """Sum up what has accumulated since the last time; harmless to repeat, at any moment and by anybody."""
        ...

    async def prune(self, queue: str, *, days: int) -> list[str]:
        """Drop the oldest jobs of a queue that ended more than `days` ago, at most `PRUNE_STEP`; return their ids.

        Others that prune at the same time drop other jobs. A job that has not ended is never dropped.
        """
        ...

    async def delete(self, job_id: str) -> None:
        """Drop a job and its chunks."""
        ...

    async def ping(self) -> None:
        """Raise StoreError unless the ledger answers and its schema is there."""
        ...

    async def try_write(self) -> None:
        """Raise StoreError unless the ledger takes a small write, of which nothing is left."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
