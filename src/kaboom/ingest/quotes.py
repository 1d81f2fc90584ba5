"""Planning a refresh of quotes: all of a running session, but only the gaps of a closed one."""

from datetime import date, datetime, timedelta

from kaboom.bars.store import BarStore
from kaboom.ingest.backfill import resolve_backfill
from kaboom.ingest.plan import IngestPlan
from kaboom.ingest.request import BackfillRequest, IngestRequest
from kaboom.ingest.resolve import Planning, is_over, resolve_plan
from kaboom.market.calendar import JST, is_session, latest_closed_session, opens_at, previous_session
from kaboom.market.interval import Interval
from kaboom.providers.base import BarProvider, Capabilities


async def resolve_quotes(
    request: IngestRequest, provider: BarProvider, store: BarStore, planning: Planning
) -> IngestPlan:
    """Return a plan of the requested session, or of the newest one that the provider can have.

    During a session every symbol is fetched. After it, symbols whose bars are held and final are left out; a plan
    without chunks means that nothing is missing.

    Raises:
        InvalidRequest: the session is not a session, is in the future, or the provider cannot serve the request.
        ProviderError: the provider could not list what it has.
        StoreError: the store could not be read.

    """
    if not request.market.is_tse:
        return await resolve_plan(request, provider, planning)
    now = planning.clock()
    session = request.session or min(newest_session(each, provider.capabilities, now) for each in request.intervals)
    scope = request.model_copy(update={"session": session})
    if is_over(session, provider, planning):
        return await resolve_backfill(BackfillRequest.of(scope), provider, store, planning)
    return await resolve_plan(scope, provider, planning)


def newest_session(interval: Interval, capabilities: Capabilities, now: datetime) -> date:
    """Return the newest session of which a provider can have a bar at `now` (aware).

    Without live bars, and for daily bars, this is the newest session that closed at least the provider's delay ago.
    With live bars, it is today's session once its first complete bar may be available, else the session before.
    """
    delay = capabilities.delay
    if not capabilities.is_live or not interval.is_intraday:
        return latest_closed_session(now, delay_s=delay.total_seconds())
    today = now.astimezone(JST).date()
    first = timedelta(seconds=interval.seconds) + delay
    return today if is_session(today) and opens_at(today) + first <= now else previous_session(today)
