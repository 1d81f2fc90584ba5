"""The worker's side of a mirror: plan a job into chunks, and run one."""

from functools import partial

from app.engine.run.long_runs import go_on, hand_out
from app.engine.run.worker import Run
from app.jobs.model import Tally
from batch.kit.clock import utc_now
from batch.market_data.mirror import MirrorChunk, mirror_chunk, plan_mirror
from batch.market_data.mirror_request import MirrorRequest
from batch.stores import build_bar_store


async def plan(run: Run) -> Tally:
    """Plan a job."""
    settings = run.parts.settings
    store = build_bar_store(settings)
    made = await plan_mirror(MirrorRequest.parse(run.request), store, settings.mirror_dir, now=utc_now())
    await hand_out(run, made)
    return run.chunk.tally


async def run_chunk(run: Run) -> Tally:
    """Run one chunk from where an earlier claim left it; return its tally."""
    settings = run.parts.settings
    chunk = MirrorChunk.from_payload(run.chunk.payload, run.chunk.items)
    return await go_on(
        run, partial(mirror_chunk, chunk, build_bar_store(settings), settings.mirror_dir), stops_at_once=True
    )
