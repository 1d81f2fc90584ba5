"""Jobs that fetch bars, with an outcome for each symbol: some sessions of a market, the gaps, or the newest session."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, datetime, timedelta

import orjson

from kaboom.bars.open import build_bar_store
from kaboom.bars.store import BarStore
from kaboom.domain_settings import BatchSettings
from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest, KaboomError, RateLimited
from kaboom.ingest.backfill import resolve_backfill
from kaboom.ingest.plan import IngestChunk, IngestPlan
from kaboom.ingest.request import BackfillRequest, IngestRequest
from kaboom.ingest.resolve import Planning, is_over, resolve_plan
from kaboom.ingest.runner import run_chunk
from kaboom.ingest.tools import build_planning, build_provider, build_tools
from kaboom.ingest.window import IngestTools
from kaboom.market.calendar import JST, is_session, latest_closed_session, opens_at, previous_session
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import load_universe
from kaboom.market.outcome import OutcomeReport
from kaboom.providers.base import BarProvider, Capabilities


async def plan_ingest(request: IngestRequest, *, settings: BatchSettings, slots: int = 1) -> IngestPlan:
    """Resolve sessions and universe, and plan chunks.

    Raises:
        InvalidRequest: the request cannot be planned.
        ProviderError: the provider could not list what it has.

    """
    provider = build_provider(settings, request.provider)
    return await resolve_plan(request, provider, build_planning(settings, slots=slots))


async def plan_backfill(request: BackfillRequest, *, settings: BatchSettings, slots: int) -> IngestPlan:
    """Find gaps in the bars that are held, and plan chunks of exactly these.

    Raises:
        InvalidRequest: the request cannot be planned.
        ProviderError: the provider could not list what it has.
        StoreError: the store could not be read.

    """
    provider = build_provider(settings, request.scope.provider)
    store = build_bar_store(settings, points=request.scope.chunk_size)
    return await resolve_backfill(request, provider, store, build_planning(settings, slots=slots))


async def plan_quotes(request: IngestRequest, *, settings: BatchSettings, slots: int) -> IngestPlan:
    """Plan chunks of the newest session, with as few requests as possible.

    Raises:
        InvalidRequest: the request cannot be planned.
        ProviderError: the provider could not list what it has.
        StoreError: the store could not be read.

    """
    provider = build_provider(settings, request.provider)
    store = build_bar_store(settings, points=request.chunk_size)
    return await resolve_quotes(request, provider, store, build_planning(settings, slots=slots))


async def run_daily_ingest(request: IngestRequest, *, settings: BatchSettings) -> OutcomeReport:
    """Plan an ingest as `plan_ingest` does, and run its chunks one after another in this process."""
    plan = await plan_ingest(request, settings=settings)
    return await InProcessExecutor(tools_for(request, plan.session, settings=settings)).run(plan)


def tools_for(request: IngestRequest, session: date, *, settings: BatchSettings) -> IngestTools:
    """Return the tools for running the chunks of a request, with the tick classes of its session."""
    universe = None
    if request.market.is_tse:
        universe = load_universe(request.market, session, imported_dir=settings.symbols_dir)
    name = request.provider or settings.provider
    tools = build_tools(settings, request.market, universe, name=name, points=request.chunk_size)
    return replace(tools, is_named=request.symbols is not None)


def main() -> int:
    """Run one ingest in this process and print its report as JSON: `python -m batch.scripts.run_daily_ingest`."""
    parser = argparse.ArgumentParser(description="Ingest some sessions of bars in this process.")
    parser.add_argument("request", nargs="?", default='{"intervals": {"1m": 1}}', help="the request as JSON")
    try:
        values = orjson.loads(parser.parse_args().request)
        if not isinstance(values, dict):
            raise InvalidRequest(f"request was {values!r}, expected a JSON object")
        request = IngestRequest.parse(values)
        report = asyncio.run(_run_alone(request))
    except (KaboomError, orjson.JSONDecodeError) as e:
        sys.stderr.write(f"{e}\n")
        return 2
    outcomes = {outcome.value: count for outcome, count in report.by_outcome().items()}
    answer = {"outcomes": outcomes, "rows": report.rows, "counts": report.counts, "at": utc_now()}
    sys.stdout.buffer.write(orjson.dumps(answer, option=orjson.OPT_INDENT_2) + b"\n")
    return 0


async def _run_alone(request: IngestRequest) -> OutcomeReport:
    settings = BatchSettings()
    provider = build_provider(settings, request.provider)
    try:
        return await run_daily_ingest(request, settings=settings)
    finally:
        await provider.close()
        await build_bar_store(settings).close()


class InProcessExecutor:
    """Runs chunks one after another in this process, and waits when the provider wants a pause."""

    def __init__(self, tools: IngestTools, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._tools = tools
        self._sleep = sleep
        self._patience_s = tools.patience_s

    async def run(self, plan: IngestPlan) -> OutcomeReport:
        """Run every chunk of the plan."""
        whole = OutcomeReport()
        for chunk in plan.chunks:
            whole += await self._run_chunk(chunk)
        return whole

    async def _run_chunk(self, chunk: IngestChunk) -> OutcomeReport:
        here = latest = OutcomeReport()

        def report(part: OutcomeReport) -> None:
            nonlocal latest
            latest = here + part

        while True:
            tools = replace(self._tools, patience_s=self._patience_s)
            try:
                return here + await run_chunk(chunk, tools, start=len(here.outcomes), on_progress=report)
            except RateLimited as e:
                here, pause_s = latest, e.retry_after_s or 0.0
            self._patience_s -= pause_s
            await self._sleep(pause_s)


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


if __name__ == "__main__":
    sys.exit(main())
