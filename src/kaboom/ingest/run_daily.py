"""Jobs that fetch bars, with an outcome for each symbol: some sessions of a market, the gaps, or the newest session."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import orjson
import polars as pl

from kaboom.bars.coverage.cells import GAPS, SUSPECTS
from kaboom.bars.coverage.classify import CoverScope
from kaboom.bars.coverage.gaps import load_cells
from kaboom.bars.open import build_action_store, build_bar_store
from kaboom.bars.open_provider import build_provider
from kaboom.bars.store import BarStore
from kaboom.domain_settings import BatchSettings
from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest, KaboomError, RateLimited
from kaboom.ingest.checks import check_capabilities, check_reach, resolve_session
from kaboom.ingest.plan import IngestChunk, IngestPlan, plan_chunks
from kaboom.ingest.request import BackfillRequest, IngestRequest
from kaboom.ingest.resolve import Planning, is_over, resolve_plan, resolve_universe
from kaboom.ingest.runner import run_chunk
from kaboom.ingest.window import IngestTools
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import JST, is_session, last_sessions, latest_closed_session, opens_at, previous_session
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.lists.history import load_history
from kaboom.market.lists.own_names import keep_names
from kaboom.market.lists.universe import Universe, load_universe
from kaboom.market.outcome import OutcomeReport
from kaboom.providers.base import BarProvider, Capabilities, find_own_data

#: If there are more sets of missing sessions, chunks are cut by session, so that their number stays bounded.
_MOST_KINDS = 200
_MOST_SESSIONS = 400
_MOST_SYMBOLS = 20


async def plan_ingest(request: IngestRequest, *, settings: BatchSettings, slots: int = 1) -> IngestPlan:
    """Resolve sessions and universe, and plan chunks; keep the names of symbols that own files have.

    Raises:
        InvalidRequest: the request cannot be planned.
        ProviderError: the provider could not list what it has.

    """
    provider = build_provider(settings, request.provider)
    plan = await resolve_plan(request, provider, build_planning(settings, slots=slots))
    if own := find_own_data(provider):
        await asyncio.to_thread(keep_names, await own.fetch_names(), settings.symbols_dir)
    return plan


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


def plan_gaps(interval: Interval, gaps: pl.DataFrame, *, capabilities: Capabilities, slots: int) -> list[IngestChunk]:
    """Return chunks that together hold every cell of `gaps` (in `CELL_SCHEMA`) exactly once.

    Symbols that lack the same sessions share chunks, so that a symbol's sessions are checked in order. If there are
    more than 200 sets of missing sessions, sessions that lack the same symbols share chunks instead.
    """
    if gaps.is_empty():
        return []
    by_symbol = _share(gaps, "symbol", "session")
    is_bulk = capabilities.is_bulk(interval, gaps["symbol"].n_unique())
    is_by_session = is_bulk or by_symbol.height > _MOST_KINDS
    rows = (_share(gaps, "session", "symbol") if is_by_session else by_symbol).select("symbol", "session").rows()
    return [
        chunk
        for symbols, sessions in rows
        for chunk in plan_chunks(interval, symbols, sessions, capabilities=capabilities, slots=slots)
    ]


def describe_gaps(gaps: pl.DataFrame) -> dict[str, Any]:
    """Return gaps as JSON types: how many cells of each state, and where."""
    states = gaps.group_by(pl.col("state").cast(pl.String)).len().sort("state").rows()
    sessions = (
        gaps.group_by("session").agg(pl.len(), pl.col("symbol").sort().head(_MOST_SYMBOLS)).sort("session").rows()
    )
    described: dict[str, Any] = {
        "cells": gaps.height,
        "symbols": gaps["symbol"].n_unique(),
        "states": dict(states),
        "sessions": [
            {"session": day.isoformat(), "symbols": count, "first_symbols": names}
            for day, count, names in sessions[:_MOST_SESSIONS]
        ],
    }
    if len(sessions) > _MOST_SESSIONS:
        described["more_sessions"] = len(sessions) - _MOST_SESSIONS
    return described if gaps.height else described | {"message": "nothing is missing"}


def _share(gaps: pl.DataFrame, key: str, other: str) -> pl.DataFrame:
    """Group the values of `key` that lack the same values of `other`: a list of each, in order."""
    lacks = gaps.sort(key, other).group_by(key, maintain_order=True).agg(pl.col(other))
    kinds = lacks.with_columns(kind=pl.col(other).list.eval(pl.element().cast(pl.String)).list.join(","))
    shared = kinds.group_by("kind", maintain_order=True).agg(pl.col(key), pl.col(other).first())
    return shared.drop("kind")


def build_planning(settings: BatchSettings, *, slots: int) -> Planning:
    """Return the inputs of planning."""
    return Planning(utc_now, settings.symbols_dir, settings.provider_delay_s, slots)


def build_tools(
    settings: BatchSettings, market: Market, universe: Universe | None, *, name: str, points: int
) -> IngestTools:
    """Return the tools for running a chunk: `universe` gives tick sizes by class, `name` is the provider."""
    provider = build_provider(settings, name)
    return IngestTools(
        provider=provider,
        store=build_bar_store(settings, points=points),
        actions=build_action_store(settings),
        market=market,
        topix500=universe.topix500 if universe else frozenset(),
        clock=utc_now,
        history=load_history(settings.symbols_dir) if market.is_section else None,
        fetch_attempts=settings.fetch_attempts,
        patience_s=settings.provider_patience_s,
    )
