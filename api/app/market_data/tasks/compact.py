"""The worker's side of a compaction: plan a job into chunks, and run one."""

from functools import partial

from app.engine.run.long_runs import go_on, hand_out
from app.engine.run.worker import Run
from app.jobs.model import Tally
from batch.kit.clock import utc_now
from batch.market_data.compact import CompactChunk, compact_chunk, plan_compaction
from batch.market_data.compact_request import CompactRequest
from batch.stores import build_bar_store


async def plan(run: Run) -> Tally:
    """Plan a job."""
    settings = run.parts.settings
    request = CompactRequest.parse(run.request).with_default(settings.keep_days)
    made = await plan_compaction(request, build_bar_store(settings), now=utc_now())
    await hand_out(run, made)
    return run.chunk.tally


async def run_chunk(run: Run) -> Tally:
    """Run one chunk from where an earlier claim left it; return its tally."""
    chunk = CompactChunk.from_payload(run.chunk.payload, run.chunk.items)
    return await go_on(run, partial(compact_chunk, chunk, build_bar_store(run.parts.settings)), stops_at_once=True)
