"""Dead letters: chunks that were given up, as the ledger keeps them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from kaboom.jobs.model import Chunk, ChunkState, Job


@dataclass(frozen=True, slots=True)
class DeadLetterQuery:
    """Which dead letters to list, newest first.

    Attributes:
        queues: any of these, at least one.
        since: given up at this time or later.
        is_retried: whether the job has a child; None for both.
        before: the (given_up_at, job_id, n) of the last dead letter already seen.

    """

    queues: tuple[str, ...]
    owner: str
    since: datetime | None = None
    is_retried: bool | None = None
    before: tuple[datetime, str, int] | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A chunk that was given up: `failed` of its `items` failed; `retried_as` is the newest child of its job."""

    job_id: str
    queue: str
    task: str
    n: int
    items: int
    failed: int
    attempts: int
    cause: str
    given_up_at: datetime
    retried_as: str | None = None

    @property
    def place(self) -> tuple[datetime, str, int]:
        """The key by which dead letters are sorted, newest first."""
        return self.given_up_at, self.job_id, self.n


def find_dead_letters(
    query: DeadLetterQuery,
    jobs: Mapping[str, Job],
    chunks: Mapping[str, Mapping[str, Chunk]],
    ends: Mapping[str, Mapping[str, datetime]],
) -> list[DeadLetter]:
    """Return the dead letters of a query from jobs in memory."""
    found = [
        DeadLetter(
            *(job.job_id, job.queue, job.task, int(n), len(chunk.items), chunk.tally.failed, chunk.attempts),
            *(chunk.tally.cause, ends[job.job_id][n], _newest_child(job, jobs.values())),
        )
        for job in jobs.values()
        if job.owner == query.owner and job.queue in query.queues
        for n, chunk in chunks.get(job.job_id, {}).items()
        if chunk.state is ChunkState.DEAD
    ]
    wanted = [
        letter
        for letter in found
        if (query.since is None or letter.given_up_at >= query.since)
        and (query.is_retried is None or (letter.retried_as is not None) is query.is_retried)
        and (query.before is None or letter.place < query.before)
    ]
    return sorted(wanted, key=lambda letter: letter.place, reverse=True)[: query.limit]


def _newest_child(job: Job, jobs: Iterable[Job]) -> str | None:
    # The jobs are in the order of admission.
    children = [each.job_id for each in jobs if each.parent_id == job.job_id]
    return children[-1] if children else None
