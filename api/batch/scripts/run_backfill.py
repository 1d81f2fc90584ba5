"""Backfill: fetch only the bars that are missing, lost or not final."""

from batch.ingest.backfill import resolve_backfill
from batch.ingest.executor import Execute, InProcessExecutor
from batch.ingest.request import BackfillRequest
from batch.market.outcome import OutcomeReport
from batch.scripts.run_daily_ingest import tools_for
from batch.settings import BatchSettings
from batch.stores import build_bar_store
from batch.wiring import build_planning, build_provider


async def run_backfill(
    request: BackfillRequest,
    execute: Execute | None = None,
    *,
    settings: BatchSettings | None = None,
    slots: int = 1,
) -> OutcomeReport:
    """Find gaps, plan chunks of exactly these, and run them by `execute`, by default in this process.

    Raises:
        InvalidRequest: the request cannot be planned.
        ProviderError: the provider could not list what it has.
        StoreError: the store could not be read.

    """
    settings = settings or BatchSettings()
    scope = request.scope
    provider = build_provider(settings, scope.provider)
    store = build_bar_store(settings, points=scope.chunk_size)
    plan = await resolve_backfill(request, provider, store, build_planning(settings, slots=slots))
    execute = execute or InProcessExecutor(tools_for(scope, plan.session, settings=settings)).run
    return await execute(plan)
