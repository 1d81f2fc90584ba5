"""Compute indicators of stored bars, with a Parquet file for each symbol."""

from collections.abc import Awaitable, Callable

from batch.bars.history import reader_at
from batch.indicators.plan import IndicatorPlaces, IndicatorPlan, folder_of, plan_indicators
from batch.indicators.request import IndicatorRequest
from batch.indicators.run import IndicatorTools, run_indicator_chunk
from batch.kit.clock import utc_now
from batch.market.outcome import OutcomeReport
from batch.settings import BatchSettings
from batch.stores import build_action_store, build_bar_store


def build_indicator_tools(request: IndicatorRequest, *, settings: BatchSettings) -> IndicatorTools:
    """Return the tools for running the chunks of a request."""
    as_of = request.as_of
    actions = reader_at(build_action_store(settings), as_of) if request.adjusted else None
    folder = folder_of(request, settings.indicators_dir)
    return IndicatorTools(reader_at(build_bar_store(settings), as_of), actions, request.indicators, folder, as_of)


async def run_indicators(
    request: IndicatorRequest,
    execute: Callable[[IndicatorPlan], Awaitable[OutcomeReport]] | None = None,
    *,
    settings: BatchSettings | None = None,
) -> OutcomeReport:
    """Plan chunks of symbols that have bars, and run them by `execute`, by default in this process.

    Raises:
        InvalidRequest: the request cannot be planned, or there are no bars.
        StoreError: bars cannot be read.

    """
    settings = settings or BatchSettings()
    store = build_bar_store(settings)
    places = IndicatorPlaces(settings.symbols_dir, settings.indicators_dir)
    plan = await plan_indicators(request, store, places, now=utc_now(), delay_s=settings.provider_delay_s)
    if execute is not None:
        return await execute(plan)
    report = OutcomeReport()
    tools = build_indicator_tools(request, settings=settings)
    for chunk in plan.chunks:
        report += await run_indicator_chunk(chunk, tools)
    return report
