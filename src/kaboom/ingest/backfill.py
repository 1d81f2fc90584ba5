"""Planning a backfill: only what is missing, lost or not final."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from kaboom.bars.coverage.cells import GAPS, SUSPECTS
from kaboom.bars.coverage.classify import CoverScope
from kaboom.bars.coverage.gaps import load_cells
from kaboom.bars.store import BarStore
from kaboom.ingest.gap_plan import describe_gaps, plan_gaps
from kaboom.ingest.plan import IngestChunk, IngestPlan
from kaboom.ingest.provider_checks import check_capabilities, check_reach, resolve_session
from kaboom.ingest.request import BackfillRequest
from kaboom.ingest.resolve import Planning, is_over, resolve_universe
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import last_sessions
from kaboom.market.interval import Interval
from kaboom.providers.base import BarProvider


async def resolve_backfill(
    request: BackfillRequest, provider: BarProvider, store: BarStore, planning: Planning
) -> IngestPlan:
    """Return a plan of the gaps in the scope of a request; it has no chunks if nothing is missing.

    Raises:
        InvalidRequest: the last session is not a session, is in the future, or the provider cannot serve the request.
        ProviderError: the provider could not list what it has.
        StoreError: the store could not be read.

    """
    scope = request.scope
    check_capabilities(scope, provider.name, provider.capabilities)
    last = resolve_session(scope, planning.clock(), delay_s=planning.delay_s)
    states = [state.value for state in (*GAPS, *(SUSPECTS if request.include_short else ()))]
    symbols, universe = await resolve_universe(scope, provider, last, planning)
    chunks: list[IngestChunk] = []
    found = {}
    for interval in scope.intervals:
        wanted = scope.only.get(interval, ()) if scope.only else symbols
        sessions = await _resolve_sessions(request, provider, interval, last=last)
        if sessions:
            check_reach(provider.name, provider.capabilities, interval, sessions[0], planning.clock())
        over = [day for day in sessions if is_over(day, provider, planning)]
        cover = CoverScope(wanted, over, provider.capabilities.delay, planning.clock())
        cells = await load_cells(store, BarSeries(provider.name, interval), cover)
        gaps = cells.filter(pl.col("state").is_in(states))
        found[interval.value] = describe_gaps(gaps)
        chunks += plan_gaps(interval, gaps, capabilities=provider.capabilities, slots=planning.slots)
    return IngestPlan(last, is_over(last, provider, planning), provider.name, universe, tuple(chunks), gaps=found)


async def _resolve_sessions(
    request: BackfillRequest, provider: BarProvider, interval: Interval, *, last: date
) -> Sequence[date]:
    count = request.scope.intervals[interval]
    sessions = await provider.fetch_sessions(interval, count, last) or last_sessions(count, last)
    return [day for day in sessions if request.first is None or day >= request.first]
