"""Fetch the newest bars of every symbol of a market, with as few requests as possible."""

from batch.ingest.executor import Execute, InProcessExecutor
from batch.ingest.quotes import resolve_quotes
from batch.ingest.request import IngestRequest
from batch.market.outcome import OutcomeReport
from batch.scripts.run_daily_ingest import tools_for
from batch.settings import BatchSettings
from batch.stores import build_bar_store
from batch.wiring import build_planning, build_provider


async def run_refresh_quotes(
    request: IngestRequest,
    execute: Execute | None = None,
    *,
    settings: BatchSettings | None = None,
    slots: int = 1,
) -> OutcomeReport:
    """Plan chunks of the newest session, and run them by `execute`, by default in this process.

    Raises:
        InvalidRequest: the request cannot be planned.
        ProviderError: the provider could not list what it has.
        StoreError: the store could not be read.

    """
    settings = settings or BatchSettings()
    provider = build_provider(settings, request.provider)
    store = build_bar_store(settings, points=request.chunk_size)
    plan = await resolve_quotes(request, provider, store, build_planning(settings, slots=slots))
    execute = execute or InProcessExecutor(tools_for(request, plan.session, settings=settings)).run
    return await execute(plan)
