"""Planning chunks that hold exactly the gaps, and describing the gaps; pure."""

from typing import Any

import polars as pl

from kaboom.ingest.plan import IngestChunk, plan_chunks
from kaboom.market.interval import Interval
from kaboom.providers.base import Capabilities

#: If there are more sets of missing sessions, chunks are cut by session, so that their number stays bounded.
_MOST_KINDS = 200
_MOST_SESSIONS = 400
_MOST_SYMBOLS = 20


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
