"""The worker's side of indicators: plan a job into chunks, and run one."""

from functools import partial

from app.jobs.model import Chunk, Tally
from app.tasks.long_runs import go_on
from app.tasks.worker import Run
from batch.analysis.indicators.plan import IndicatorChunk, IndicatorPlan
from batch.analysis.indicators.request import parse_indicator_request
from batch.analysis.indicators.run import run_indicator_chunk
from batch.market.report import OutcomeReport
from batch.scripts.run_indicators import build_indicator_tools, run_indicators


async def plan(run: Run) -> Tally:
    """Plan a job."""
    settings = run.parts.settings

    async def fan_out(plan: IndicatorPlan) -> OutcomeReport:
        planned = () if run.request.get("dry_run") else plan.chunks
        chunks = [Chunk(str(n), chunk.symbols, chunk.payload()) for n, chunk in enumerate(planned)]
        await run.fan_out(plan.summary(), chunks)
        return OutcomeReport()

    request = parse_indicator_request(run.request, provider=settings.provider)
    await run_indicators(request, fan_out, settings=settings)
    return run.chunk.tally


async def run_chunk(run: Run) -> Tally:
    """Run one chunk from where an earlier claim left it; return its tally."""
    settings = run.parts.settings
    request = parse_indicator_request(run.request, provider=settings.provider)
    chunk = IndicatorChunk.from_payload(run.chunk.payload, run.chunk.items)
    return await go_on(run, partial(run_indicator_chunk, chunk, build_indicator_tools(request, settings=settings)))
