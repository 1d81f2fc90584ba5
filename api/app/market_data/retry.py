"""What is left to do of a job on the bars that are kept."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.engine.catalog import MARKET_DATA_INDICATORS, MARKET_DATA_REFRESH_QUOTES, MARKET_DATA_ROLL_UP
from app.jobs.model import Chunk, Job
from batch.errors import Conflict
from batch.market.outcome import Outcome

#: Whose items are symbols, and whose requests may name some.
_BY_SYMBOL = frozenset(spec.name for spec in (MARKET_DATA_ROLL_UP, MARKET_DATA_REFRESH_QUOTES, MARKET_DATA_INDICATORS))


def build_retry(job: Job, chunks: Sequence[Chunk]) -> Mapping[str, Any]:
    """Return the request that takes what failed, was cancelled or given up, of the same session.

    Raises:
        Conflict: nothing is left to do.

    """
    if job.plan is None:
        return job.request
    left = dict.fromkeys(item for chunk in chunks for item in _left_of(chunk))
    if not left:
        raise Conflict(f"job {job.job_id} was {job.status} with nothing left to retry")
    if job.task not in _BY_SYMBOL:
        # What is done is found done, and costs next to nothing.
        return job.request
    return {**job.request, "symbols": list(left), "session": job.plan["session"]}


def _left_of(chunk: Chunk) -> list[str]:
    failed = [note.item for note in chunk.tally.notes if not Outcome(note.outcome).is_fine]
    return failed + list(chunk.items[chunk.tally.cursor :])
