"""A table that answers a query, not encoded yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Table:
    """Rows, and the metadata of all rows.

    Attributes:
        rows: the rows, as items of the JSON.
        about: the metadata, which JSON has beside its items.
        labels: the fields of `about` that the other formats, which have only rows, repeat in each row.
        stem: the name of the file, without suffix.
        next_place: the sort key of the last row, after which the next page begins; None on the last page.

    """

    rows: "pl.DataFrame"
    about: Mapping[str, Any]
    labels: Sequence[str]
    stem: str
    next_place: Sequence[object] | None = field(default=None)


@dataclass(frozen=True, slots=True)
class Grid:
    """One byte for each symbol and session, symbol by symbol; `about` names the symbols and the sessions."""

    about: Mapping[str, Any]
    cells: bytes


def known_at_field(as_of: datetime | None) -> dict[str, str]:
    """Return the moment of a query as a field of its answer; the field `as_of` is the date of a symbol list instead."""
    return {"known_at": as_of.isoformat().replace("+00:00", "Z")} if as_of else {}
