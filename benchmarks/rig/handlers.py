"""Handlers that do nothing: a job of as many one-item chunks as its `chunk_size` says."""

from kaboom.jobs.engine.run.worker import Run
from kaboom.jobs.model import Chunk, Tally


async def plan(run: Run) -> Tally:
    """Plan the chunks."""
    chunks = [Chunk(str(n), (str(1301 + n),), {"interval": "1m"}) for n in range(run.request["chunk_size"] % 100)]
    await run.fan_out({"provider": "synthetic", "session": "2025-11-04"}, chunks)
    return run.chunk.tally


async def chunk(run: Run) -> Tally:
    """Settle the one item."""
    del run
    return Tally(cursor=1, done=1, written=1, outcomes={"ok": 1})
