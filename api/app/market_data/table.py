"""A table that answers a question, before it has a format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Table:
    """Rows, and what is said of all of them.

    Attributes:
        rows: the rows, as items of the JSON.
        about: what JSON says beside its items.
        labels: those of `about` that the other formats, which have nothing beside their rows, repeat in each row.
        stem: the name of a file of it, without suffix.
        next_place: where the next page begins after, by what the rows are sorted by; None on the last.

    """

    rows: "pl.DataFrame"
    about: Mapping[str, Any]
    labels: Sequence[str]
    stem: str
    next_place: Sequence[object] | None = field(default=None)


@dataclass(frozen=True, slots=True)
class Grid:
    """One byte for each symbol and session, symbol by symbol, and what is said of them: `about` names both."""

    about: Mapping[str, Any]
    cells: bytes


def tell_known_at(as_of: datetime | None) -> dict[str, str]:
    """Return what an answer says of the moment that was asked for; not `as_of`, the date of a list of symbols."""
    return {"known_at": as_of.isoformat().replace("+00:00", "Z")} if as_of else {}
