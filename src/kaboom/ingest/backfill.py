"""Planning a backfill: only what is missing, lost or not final."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl

from kaboom.bars.coverage.cells import GAPS, SUSPECTS
from kaboom.bars.coverage.classify import CoverScope
from kaboom.bars.coverage.gaps import load_cells
from kaboom.bars.store import BarStore
from kaboom.ingest.plan import IngestChunk, IngestPlan, plan_chunks
from kaboom.ingest.provider_checks import check_capabilities, check_reach, resolve_session
from kaboom.ingest.request import BackfillRequest
from kaboom.ingest.resolve import Planning, is_over, resolve_universe
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import last_sessions
from kaboom.market.interval import Interval
from kaboom.providers.base import BarProvider, Capabilities

#: If there are more sets of missing sessions, chunks are cut by session, so that their number stays bounded.
_MOST_KINDS = 200
_MOST_SESSIONS = 400
_MOST_SYMBOLS = 20


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
