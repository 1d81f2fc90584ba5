"""The worker's part of ingest: plan a job in chunks, and run a chunk."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from kaboom.bars.space import check_store
from kaboom.errors import RateLimited
from kaboom.ingest.plan import IngestChunk, IngestPlan
from kaboom.ingest.request import BackfillRequest, IngestRequest
from kaboom.ingest.run_daily import plan_backfill, plan_ingest, plan_quotes, tools_for
from kaboom.ingest.runner import run_chunk as run_ingest_chunk
from kaboom.jobs.engine.run.completion import HandBack
from kaboom.jobs.engine.run.worker import Run, go_on, hand_back, hand_out, patience_left_s
from kaboom.jobs.model import Tally
from kaboom.market.bar import BarSeries
from kaboom.providers.watch import while_alive

#: About how many corrected bars a job logs one by one; its log keeps 1,000 lines, which other messages share.
_CORRECTION_LINES = 200
#: The fields of the request that a chunk needs; it does not parse the thousands of symbols again.
_SCOPE = ("intervals", "first", "all_days", "market", "chunk_size")


async def run_daily(run: Run) -> None:
    """Plan a daily ingest."""
    await _plan(run, partial(plan_ingest, IngestRequest.parse(run.request)))


async def backfill(run: Run) -> None:
    """Plan a backfill."""
    await _plan(run, partial(plan_backfill, BackfillRequest.parse(run.request)))


async def refresh_quotes(run: Run) -> None:
    """Plan a refresh of the newest bars."""
    await _plan(run, partial(plan_quotes, IngestRequest.parse(run.request)))


async def run_chunk(run: Run) -> Tally:
    """Run a chunk, or continue it where an earlier claim stopped; return its tally.

    Raises:
        HandBack: the provider wants a pause that the chunk may still wait for, or the chunk has run for long.
        StoreError: the bar store is unavailable or full; the chunk waits.

    """
    try:
        with while_alive(run.keeper.note_life):
            return await _run_on(run)
    except RateLimited as e:
        raise hand_back(run, e) from e


async def _plan(run: Run, find_plan: Callable[..., Awaitable[IngestPlan]]) -> None:
    """Plan, or hand the step back if its provider wants a pause; waiting for a rate-limit slot is not a stall."""
    settings = run.settings
    try:
        with while_alive(run.keeper.note_life):
            await hand_out(run, await find_plan(settings=settings, slots=settings.slots))
    except RateLimited as e:
        raise HandBack(e.message, pause_s=e.retry_after_s or 0.0) from e


async def _run_on(run: Run) -> Tally:
    settings = run.settings
    scope = {name: value for name, value in run.request.items() if name in _SCOPE}
    request = IngestRequest.parse(scope).model_copy(update={"provider": run.plan["provider"]})
    chunk = IngestChunk.from_payload(run.chunk.payload, run.chunk.items)
    tools = tools_for(request, chunk.sessions[-1], settings=settings)
    if run.claim.waits:
        # The chunk waited before: check that bars can be stored before asking the provider again.
        series = BarSeries(tools.provider.name, chunk.interval)
        await check_store(tools.store, series, chunk.symbols[0], chunk.sessions[0])
    # A plan made by an older release has no number of chunks.
    lines = max(1, _CORRECTION_LINES // run.plan.get("chunks", _CORRECTION_LINES))
    is_named = "symbols" in run.request
    patience_s = patience_left_s(run)
    tools = replace(tools, patience_s=patience_s, correction_lines=lines, waits_for_store=True, is_named=is_named)
    return await go_on(run, partial(run_ingest_chunk, chunk, tools))
