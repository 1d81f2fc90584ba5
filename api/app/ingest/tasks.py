"""The worker's side of ingest: plan a job into chunks, and run one."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from app.engine.run.long_runs import go_on, hand_out
from app.engine.run.worker import Run
from app.ingest.patience import hand_back, patience_left_s, with_pause
from app.jobs.model import Tally
from batch.bars.space import check_store
from batch.errors import RateLimited
from batch.ingest.plan import IngestChunk, IngestPlan
from batch.ingest.request import BackfillRequest, IngestRequest
from batch.ingest.runner import run_chunk as run_ingest_chunk
from batch.market.bar import BarSeries
from batch.providers.watch import while_alive
from batch.scripts.run_daily_ingest import plan_backfill, plan_ingest, plan_quotes, tools_for

#: Corrected bars that a job logs one by one, about: its log keeps a thousand lines, and others want to be in it.
_CORRECTION_LINES = 200
#: What a chunk needs of the request; thousands of symbols are not read again for each.
_SCOPE = ("intervals", "market", "chunk_size")


async def run_daily(run: Run) -> Tally:
    """Plan a job."""
    return await _plan(run, partial(plan_ingest, IngestRequest.parse(run.request)))


async def backfill(run: Run) -> Tally:
    """Plan a job that takes what is missing."""
    return await _plan(run, partial(plan_backfill, BackfillRequest.parse(run.request)))


async def refresh_quotes(run: Run) -> Tally:
    """Plan a job that takes the newest bars."""
    return await _plan(run, partial(plan_quotes, IngestRequest.parse(run.request)))


async def run_chunk(run: Run) -> Tally:
    """Run one chunk from where an earlier claim left it; return its tally.

    Raises:
        HandBack: the provider wants a pause that the chunk may still wait for, or it has run for long.
        StoreError: the bar store is unavailable or full: the chunk waits.

    """
    try:
        with while_alive(run.keeper.note_life):
            return await _run_on(run)
    except RateLimited as e:
        run.report(with_pause(run.keeper.tally, e.retry_after_s or 0.0))
        raise hand_back(e) from e


async def _plan(run: Run, find_plan: Callable[..., Awaitable[IngestPlan]]) -> Tally:
    """Plan, or hand the step back where its provider wants a pause; to wait for a turn there is no hanging."""
    settings = run.parts.settings
    try:
        with while_alive(run.keeper.note_life):
            await hand_out(run, await find_plan(settings=settings, slots=settings.slots))
    except RateLimited as e:
        raise hand_back(e) from e
    return run.chunk.tally


def _parse_scope(run: Run) -> IngestRequest:
    """Return the market, the intervals and the provider of a job: its symbols are those of the chunk."""
    scope = {name: value for name, value in run.request.items() if name in _SCOPE}
    return IngestRequest.parse(scope)


async def _run_on(run: Run) -> Tally:
    settings = run.parts.settings
    request = _parse_scope(run).model_copy(update={"provider": run.plan["provider"]})
    chunk = IngestChunk.from_payload(run.chunk.payload, run.chunk.items)
    tools = tools_for(request, chunk.sessions[-1], settings=settings)
    if run.claim.waits:
        # A provider is not asked again for what cannot be stored.
        series = BarSeries(tools.provider.name, chunk.interval)
        await check_store(tools.store, series, chunk.symbols[0], chunk.sessions[0])
    patience_s = patience_left_s(run.chunk.tally, settings.provider_patience_s)
    # A job planned by an older Kaboom does not tell how many chunks it has.
    lines = max(1, _CORRECTION_LINES // run.plan.get("chunks", _CORRECTION_LINES))
    tools = replace(tools, patience_s=patience_s, correction_lines=lines, waits_for_store=True)
    return await go_on(run, partial(run_ingest_chunk, chunk, tools))
