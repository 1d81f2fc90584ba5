"""From notes to actions: which note counts, and which actions adjust bars; pure."""

from datetime import date

import polars as pl

from kaboom.market.action import ActionKind, ActionState, kind_of
from kaboom.market.adjust import DIVIDEND_SCHEMA, FACTOR_SCHEMA

#: One row per symbol, ex-session and whether it is a dividend: the note that counts.
ACTION_SCHEMA = pl.Schema(
    {
        **FACTOR_SCHEMA,
        "amount": pl.Float64(),
        "kind": pl.String(),
        "state": pl.String(),
        "noted_at": pl.Datetime("us", "UTC"),
    }
)

#: A person overrules a provider, and a provider overrules a suspicion from bars.
_RANK = {ActionState.CONFIRMED: 0, ActionState.REJECTED: 0, ActionState.REPORTED: 1, ActionState.SUSPECTED: 2}


def resolve_actions(notes: pl.DataFrame) -> pl.DataFrame:
    """Return actions in `ACTION_SCHEMA` from notes in `NOTE_SCHEMA`, by symbol, then ex-session, dividends last."""
    # Earlier releases wrote "told" for "reported".
    notes = notes.with_columns(pl.col("state").replace("told", ActionState.REPORTED.value))
    rank = pl.col("state").replace_strict({s.value: n for s, n in _RANK.items()}, return_dtype=pl.Int8)
    key = ["symbol", "ex_session", "is_dividend"]
    first = notes.sort(*key, rank).unique(key, keep="first", maintain_order=True)
    found = [
        ActionKind.DIVIDEND.value if is_dividend else kind_of(factor).value
        for is_dividend, factor in first.select("is_dividend", "factor").iter_rows()
    ]
    kinds = pl.Series("kind", found, dtype=pl.String)
    return first.with_columns(kinds).select(list(ACTION_SCHEMA))


def applied_actions(notes: pl.DataFrame, *, until: date) -> pl.DataFrame:
    """Return the actions in `ACTION_SCHEMA` that adjust bars: reported or confirmed, with an ex-session up to a day."""
    return _applied(notes, until).filter(pl.col("kind") != ActionKind.DIVIDEND.value)


def applied_dividends(notes: pl.DataFrame, *, until: date) -> pl.DataFrame:
    """Return the dividends in `DIVIDEND_SCHEMA` that count: reported or confirmed, with an ex-session up to a day."""
    dividends = _applied(notes, until).filter(pl.col("kind") == ActionKind.DIVIDEND.value)
    return dividends.select(list(DIVIDEND_SCHEMA))


def _applied(notes: pl.DataFrame, until: date) -> pl.DataFrame:
    applied = [state.value for state in ActionState if state.is_applied]
    return resolve_actions(notes).filter(pl.col("state").is_in(applied) & (pl.col("ex_session") <= until))
