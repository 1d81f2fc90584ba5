"""From gaps to chunks that hold exactly them, and to what is told of them; pure."""

from typing import Any

import polars as pl

from batch.ingest.plan import IngestChunk, plan_chunks
from batch.market.interval import Interval
from batch.providers.base import Capabilities

#: More kinds of holes than these are cut by session instead, so that the number of chunks stays bounded.
_MOST_KINDS = 200
_MOST_SESSIONS_TOLD = 400
_MOST_SYMBOLS_TOLD = 20


def plan_gaps(interval: Interval, gaps: pl.DataFrame, *, capabilities: Capabilities, slots: int) -> list[IngestChunk]:
    """Return chunks that together hold every cell of `gaps` (in `CELL_SCHEMA`) once, and no other.

    Symbols that want the same sessions share chunks. A symbol's sessions stay together, so that they are checked in
    their order, unless there are over 200 kinds of holes: then sessions that want the same symbols share chunks.
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


def tell_gaps(gaps: pl.DataFrame) -> dict[str, Any]:
    """Return what is told of gaps as JSON types: how many cells of each state, and where."""
    states = gaps.group_by(pl.col("state").cast(pl.String)).len().sort("state").rows()
    sessions = (
        gaps.group_by("session").agg(pl.len(), pl.col("symbol").sort().head(_MOST_SYMBOLS_TOLD)).sort("session").rows()
    )
    told: dict[str, Any] = {
        "cells": gaps.height,
        "symbols": gaps["symbol"].n_unique(),
        "states": dict(states),
        "sessions": [
            {"session": day.isoformat(), "symbols": count, "first_symbols": names}
            for day, count, names in sessions[:_MOST_SESSIONS_TOLD]
        ],
    }
    if len(sessions) > _MOST_SESSIONS_TOLD:
        told["more_sessions"] = len(sessions) - _MOST_SESSIONS_TOLD
    return told if gaps.height else told | {"message": "nothing is missing"}


def _share(gaps: pl.DataFrame, key: str, other: str) -> pl.DataFrame:
    """Put those of `key` together that want the same of `other`: a list of each, in order."""
    wants = gaps.sort(key, other).group_by(key, maintain_order=True).agg(pl.col(other))
    kinds = wants.with_columns(kind=pl.col(other).list.eval(pl.element().cast(pl.String)).list.join(","))
    shared = kinds.group_by("kind", maintain_order=True).agg(pl.col(key), pl.col(other).first())
    return shared.drop("kind")
