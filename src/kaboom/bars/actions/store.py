"""The port to stores of corporate actions: notes by symbol, ex-session and origin."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import polars as pl

from kaboom.market.action import ActionState, CorporateAction

#: A note: the factor or the dividend that one origin reports for one symbol and ex-session; unique on the four. In a
#: note of a dividend `factor` is 1; in a note of a factor `amount` (yen a share) is 0.
NOTE_SCHEMA = pl.Schema(
    {
        "symbol": pl.String(),
        "ex_session": pl.Date(),
        "is_dividend": pl.Boolean(),
        "origin": pl.String(),
        "state": pl.String(),
        "factor": pl.Float64(),
        "amount": pl.Float64(),
        "noted_at": pl.Datetime("us", "UTC"),
    }
)
KEY = ["symbol", "ex_session", "is_dividend", "origin"]


class Origin(StrEnum):
    """Who reports an action. Each origin writes only its own notes, so that none overwrites another's."""

    PROVIDER = "provider"
    BARS = "bars"
    PERSON = "person"


class ActionReader(Protocol):
    """A reader of notes: a store, or a store as it was known at a moment."""

    async def load(self, source: str, symbols: Sequence[str] = ()) -> pl.DataFrame:
        """Return notes in `NOTE_SCHEMA`, of all symbols or of some, sorted by `KEY`."""
        ...


class ActionStore(ActionReader, Protocol):
    """A store of notes of corporate actions, by source. Writes are idempotent, the last one wins."""

    async def save(self, source: str, notes: pl.DataFrame) -> None:
        """Save notes in `NOTE_SCHEMA`; on return they are durable.

        Raises:
            InvalidRequest: the source's name is not a plain lower-case name.
            StoreError: some notes may not be saved; saving them again is safe.

        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


def build_notes(
    actions: Iterable[CorporateAction], origin: Origin, state: ActionState, *, noted_at: datetime
) -> pl.DataFrame:
    """Return notes in `NOTE_SCHEMA` of one origin and state for some actions."""
    rows = [
        (a.symbol, a.ex_session, a.amount > 0, origin.value, state.value, a.factor, a.amount, noted_at) for a in actions
    ]
    return pl.DataFrame(rows, schema=NOTE_SCHEMA, orient="row")
