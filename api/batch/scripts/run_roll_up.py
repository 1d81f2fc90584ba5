"""Roll minutes up to 5m, 15m, 1h and 1d bars, which are kept apart from the provider's."""

from collections.abc import Awaitable, Callable

from batch.kit.clock import utc_now
from batch.market.outcome import OutcomeReport
from batch.market_data.roll_up import roll_up_chunk
from batch.market_data.roll_up_plan import RollUpPlan, plan_roll_up
from batch.market_data.roll_up_request import RollUpRequest
from batch.settings import BatchSettings
from batch.stores import build_bar_store


async def run_roll_up(
    request: RollUpRequest,
    execute: Callable[[RollUpPlan], Awaitable[OutcomeReport]] | None = None,
    *,
    settings: BatchSettings | None = None,
    slots: int = 1,
) -> OutcomeReport:
    """Plan chunks of symbols that have minutes, and run them by `execute`, by default in this process.

    Raises:
        InvalidRequest: the request cannot be planned, or there are no minutes.
        StoreError: bars cannot be read or written.

    """
    settings = settings or BatchSettings()
    store = build_bar_store(settings)
    plan = await plan_roll_up(request, store, now=utc_now(), delay_s=settings.provider_delay_s, slots=slots)
    if execute is not None:
        return await execute(plan)
    report = OutcomeReport()
    for chunk in plan.chunks:
        report += await roll_up_chunk(chunk, store)
    return report
