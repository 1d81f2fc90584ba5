"""The worker's side of indicators: plan a job into chunks, and run one."""

from functools import partial

from app.engine.run.long_runs import go_on, hand_out
from app.engine.run.worker import Run
from app.jobs.model import Tally
from batch.indicators.plan import IndicatorChunk
from batch.indicators.request import IndicatorRequest
from batch.indicators.run import run_indicator_chunk
from batch.scripts.run_indicators import build_indicator_tools, run_indicators


async def plan(run: Run) -> Tally:
    """Plan a job."""
    settings = run.parts.settings
    request = IndicatorRequest.parse(run.request)
    await run_indicators(request, partial(hand_out, run), settings=settings)
    return run.chunk.tally


async def run_chunk(run: Run) -> Tally:
    """Run one chunk from where an earlier claim left it; return its tally."""
    settings = run.parts.settings
    request = IndicatorRequest.parse(run.request)
    chunk = IndicatorChunk.from_payload(run.chunk.payload, run.chunk.items)
    return await go_on(
        run, partial(run_indicator_chunk, chunk, build_indicator_tools(request, settings=settings)), stops_at_once=True
    )
