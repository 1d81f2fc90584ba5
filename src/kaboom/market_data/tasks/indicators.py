"""The worker's part of indicators: plan a job in chunks, and run a chunk."""

from functools import partial

from kaboom.bars.history import reader_at
from kaboom.bars.open import build_action_store, build_bar_store
from kaboom.drivers.clock import utc_now
from kaboom.indicators.plan import IndicatorChunk, folder_of, plan_indicators
from kaboom.indicators.request import IndicatorRequest
from kaboom.indicators.run import IndicatorTools, run_indicator_chunk
from kaboom.jobs.engine.run.worker import Run, go_on, hand_out
from kaboom.jobs.model import Tally


async def plan(run: Run) -> None:
    """Plan a job in chunks."""
    settings, request = run.settings, IndicatorRequest.parse(run.request)
    store, delay_s = build_bar_store(settings), settings.provider_delay_s
    folder, symbols_dir = folder_of(request, settings.indicators_dir), settings.symbols_dir
    made = await plan_indicators(request, store, folder, symbols_dir=symbols_dir, now=utc_now(), delay_s=delay_s)
    await hand_out(run, made)


async def run_chunk(run: Run) -> Tally:
    """Run a chunk, or continue it where an earlier claim stopped; return its tally."""
    tools = _build_tools(run)
    chunk = IndicatorChunk.from_payload(run.chunk.payload, run.chunk.items)
    return await go_on(run, partial(run_indicator_chunk, chunk, tools), stops_at_once=True)


def _build_tools(run: Run) -> IndicatorTools:
    settings, request = run.settings, IndicatorRequest.parse(run.request)
    as_of = request.as_of
    actions = reader_at(build_action_store(settings), as_of) if request.adjusted else None
    folder = folder_of(request, settings.indicators_dir)
    return IndicatorTools(reader_at(build_bar_store(settings), as_of), actions, request.indicators, folder, as_of)
