"""Measure the run of a chunk: how it ended, how long it took, and how many bars it wrote."""

from collections.abc import Awaitable
from time import perf_counter

from kaboom.jobs.engine.run.keeper import LeaseKeeper
from kaboom.jobs.redis.store import Claim
from kaboom.telemetry.metrics import BARS_CORRECTED, BARS_WRITTEN, CHUNK_SECONDS, CHUNKS, count, observe

#: Results that count as errors: the task raised, the plan or chunk failed, or no item was finished for too long.
ERROR_ENDINGS = ("broken", "failed", "stalled")


async def measure(run: Awaitable[str], task: str, claim: Claim, keeper: LeaseKeeper) -> str:
    """Return how the run of a claimed chunk ended, and measure it; a run that is cancelled counts as released."""
    begun_at, ending = perf_counter(), "released"
    try:
        ending = await run
        return ending
    finally:
        count(CHUNKS, task, ending)
        observe(CHUNK_SECONDS, perf_counter() - begun_at, task)
        # Only the difference: earlier runs of the chunk have counted their part.
        count(BARS_WRITTEN, claim.lease.ref.queue, by=keeper.tally.rows - claim.chunk.tally.rows)
        before, after = (tally.counts.get("corrected", 0) for tally in (claim.chunk.tally, keeper.tally))
        count(BARS_CORRECTED, claim.lease.ref.queue, by=after - before)
