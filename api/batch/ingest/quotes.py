"""From a request for the newest bars to a plan: a running session whole, of one that is over only what is missing."""

from dataclasses import replace
from datetime import date, datetime

from batch.bars.store import BarStore
from batch.ingest.backfill import resolve_backfill
from batch.ingest.gap_request import BackfillRequest
from batch.ingest.plan import IngestPlan
from batch.ingest.quotes_request import newest_session
from batch.ingest.request import IngestRequest
from batch.ingest.resolve import Planning, is_over, resolve_plan
from batch.providers.base import BarProvider


async def resolve_quotes(
    request: IngestRequest, provider: BarProvider, store: BarStore, planning: Planning
) -> IngestPlan:
    """Return a plan of the newest session that the provider can have, or of the one that the request names.

    While a session lasts, each symbol is asked for once. Of one that is over, a symbol whose bars are held and final is
    not asked for: a plan without chunks says that all of it is there.

    Raises:
        InvalidRequest: the session named is not one or lies ahead, or the provider cannot serve the request.
        ProviderError: the provider could not say what it has.
        StoreError: the store could not be read.

    """
    if not request.market.is_tse:
        return await resolve_plan(request, provider, planning)
    session = request.session or _newest(request, provider, planning.clock())
    scope = replace(request, session=session)
    if is_over(session, provider, planning):
        return await resolve_backfill(BackfillRequest(scope), provider, store, planning)
    return await resolve_plan(scope, provider, planning)


def _newest(request: IngestRequest, provider: BarProvider, now: datetime) -> date:
    return min(newest_session(interval, provider.capabilities, now) for interval in request.intervals)
