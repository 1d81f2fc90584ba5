"""The request of a retry: the whole request again, or only the items that the earlier job did not finish."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kaboom.errors import Conflict
from kaboom.jobs.model import Chunk, Job
from kaboom.market.outcome import is_fine

#: Returns the request of a retry; raises Conflict if nothing is left to do.
type BuildRetry = Callable[[Job, Sequence[Chunk]], Mapping[str, Any]]


def retry_whole(job: Job, _chunks: Sequence[Chunk]) -> Mapping[str, Any]:
    """Return the request of a job, to run it again as a whole."""
    return job.request


def retry_unfinished(job: Job, chunks: Sequence[Chunk]) -> Mapping[str, Any]:
    """Return the same request again; the new job skips what is done.

    Raises:
        Conflict: nothing is left to do.

    """
    if job.plan is not None:
        _find_left(job, chunks)
    return job.request


def retry_items(field: str, *, from_plan: Sequence[str] = ()) -> BuildRetry:
    """Return a builder that puts the items left to do into `field` of the request, and copies values of the plan."""

    def build(job: Job, chunks: Sequence[Chunk]) -> Mapping[str, Any]:
        if job.plan is None:
            return job.request
        return {**job.request, field: _find_left(job, chunks)} | {name: job.plan[name] for name in from_plan}

    return build


def items_left(chunk: Chunk) -> list[str]:
    """Return the items of a chunk that failed, or that it never reached."""
    failed = [note.item for note in chunk.tally.notes if not is_fine(note.outcome)]
    return failed + list(chunk.items[chunk.tally.cursor :])


def nothing_left(job: Job) -> Conflict:
    """Return the error for a retry that would do nothing."""
    return Conflict(f"job {job.job_id} was {job.status} with nothing left to retry")


def _find_left(job: Job, chunks: Sequence[Chunk]) -> list[str]:
    left = list(dict.fromkeys(item for chunk in chunks for item in items_left(chunk)))
    if not left:
        raise nothing_left(job)
    return left
