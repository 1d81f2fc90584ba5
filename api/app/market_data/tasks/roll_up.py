"""The worker's side of a roll-up: plan a job into chunks, and run one."""

from functools import partial

from app.engine.run.long_runs import go_on, hand_out
from app.engine.run.worker import Run
from app.jobs.model import Tally
from batch.market_data.roll_up import roll_up_chunk
from batch.market_data.roll_up_plan import RollUpChunk
from batch.market_data.roll_up_request import RollUpRequest
from batch.scripts.run_roll_up import run_roll_up
from batch.stores import build_bar_store


async def plan(run: Run) -> Tally:
    """Plan a job."""
    settings = run.parts.settings
    request = RollUpRequest.parse(run.request)
    await run_roll_up(request, partial(hand_out, run), settings=settings, slots=settings.slots)
    return run.chunk.tally


async def run_chunk(run: Run) -> Tally:
    """Run one chunk from where an earlier claim left it; return its tally."""
    chunk = RollUpChunk.from_payload(run.chunk.payload, run.chunk.items)
    return await go_on(run, partial(roll_up_chunk, chunk, build_bar_store(run.parts.settings)), stops_at_once=True)
