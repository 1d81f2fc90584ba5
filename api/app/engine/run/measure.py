"""What is measured of a run of a chunk: how it ended, how long it took, and the bars that it wrote."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from app.engine.run.keeper import LeaseKeeper
from app.live.store import Claim
from app.telemetry.metrics import BARS_CORRECTED, BARS_WRITTEN, CHUNK_SECONDS, CHUNKS, count, observe

#: Endings that are a worker's errors: the task raised, the plan cannot be, nothing was settled for too long.
ERROR_ENDINGS = ("broken", "failed", "stalled")


@dataclass(slots=True)
class Measure:
    """A run in the making; `ending` is its last word."""

    ending: str = "released"


@contextmanager
def measured(task: str, claim: Claim, keeper: LeaseKeeper) -> Iterator[Measure]:
    """Measure the run of a claimed chunk; one that is cut off has been handed back."""
    begun_at, measure = perf_counter(), Measure()
    try:
        yield measure
    finally:
        count(CHUNKS, task, measure.ending)
        observe(CHUNK_SECONDS, perf_counter() - begun_at, task)
        # Of this run alone: an earlier one has counted what it left.
        count(BARS_WRITTEN, claim.lease.ref.queue, by=keeper.tally.rows - claim.chunk.tally.rows)
        before, after = (tally.counts.get("corrected", 0) for tally in (claim.chunk.tally, keeper.tally))
        count(BARS_CORRECTED, claim.lease.ref.queue, by=after - before)
