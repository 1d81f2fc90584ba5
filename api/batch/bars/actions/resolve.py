"""From notes to actions: which note counts, and which actions adjust bars; pure."""

from datetime import date

import polars as pl

from batch.market.action import ActionState, kind_of
from batch.market.adjust import FACTOR_SCHEMA

#: One row per symbol and ex-session: the note that counts.
ACTION_SCHEMA = pl.Schema(
    {
        **FACTOR_SCHEMA,
        "kind": pl.String(),
        "state": pl.String(),
        "noted_at": pl.Datetime("us", "UTC"),
    }
)

#: A person overrules a provider, and a provider overrules a suspicion from bars.
_RANK = {ActionState.CONFIRMED: 0, ActionState.REJECTED: 0, ActionState.REPORTED: 1, ActionState.SUSPECTED: 2}


def resolve_actions(notes: pl.DataFrame) -> pl.DataFrame:
    """Return actions in `ACTION_SCHEMA` from notes in `NOTE_SCHEMA`, sorted by symbol, then ex-session."""
    # As notes of before this release say it.
    notes = notes.with_columns(pl.col("state").replace("told", ActionState.REPORTED.value))
    rank = pl.col("state").replace_strict({s.value: n for s, n in _RANK.items()}, return_dtype=pl.Int8)
    first = notes.sort("symbol", "ex_session", rank).unique(["symbol", "ex_session"], keep="first", maintain_order=True)
    kinds = pl.Series("kind", [kind_of(factor).value for factor in first["factor"]], dtype=pl.String)
    return first.with_columns(kinds).select(list(ACTION_SCHEMA))


def applied_actions(notes: pl.DataFrame, *, until: date) -> pl.DataFrame:
    """Return the actions in `ACTION_SCHEMA` that adjust bars: reported or confirmed, with an ex-session up to a day."""
    applied = [state.value for state in ActionState if state.is_applied]
    return resolve_actions(notes).filter(pl.col("state").is_in(applied) & (pl.col("ex_session") <= until))
