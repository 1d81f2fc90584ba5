"""The self-check of the history: every row decodes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from kaboom.bars.pages.blob import page_keys
from kaboom.bars.pages.codec import decode_sound
from kaboom.bars.pages.files import PageFile, check_order, page_name
from kaboom.bars.pages.history.moments import has_history
from kaboom.bars.pages.schema import SID_BITS
from kaboom.errors import StoreDamaged, StoreError

_AT_ONCE = 2_000
_ROWS = f"""
SELECT r.page, r.no, coalesce(s.symbol, ''), CAST(r.data AS BLOB) FROM replaced r
LEFT JOIN sym s ON s.id = (r.page & {(1 << SID_BITS) - 1})
WHERE r.data <> x'' AND (r.page, r.no) > (?, ?) ORDER BY r.page, r.no LIMIT {_AT_ONCE}
"""  # noqa: S608 (constants)


@dataclass(frozen=True, slots=True)
class DamagedHistory:
    """A row of the history that cannot be read: its page and moment, its place for people, and the fault."""

    page: int
    no: int
    where: str
    data: bytes
    fault: str


def find_damaged_history(file: PageFile) -> list[DamagedHistory]:
    """Return the rows of a file's history that cannot be read; raises sqlite3.Error if the table cannot be."""
    if not has_history(file.sql):
        return []
    found, after = list[DamagedHistory](), (-(2**63), 0)
    while rows := file.sql.execute(_ROWS, after).fetchall():
        check_order(file.path, after, [row[:2] for row in rows])
        after = rows[-1][:2]
        name_of = partial(_name_row, file, rows)
        keys = page_keys([row[2] for row in rows], [row[0] >> SID_BITS for row in rows])
        _, errors = decode_sound([row[3] for row in rows], keys, name_of=name_of, skip=StoreError)
        for i, e in errors.items():
            page, no, _, data = rows[i]
            fault = e.damage if isinstance(e, StoreDamaged) else e.message
            found.append(DamagedHistory(page, no, name_of(i), data, fault))
    return found


def _name_row(file: PageFile, rows: Sequence[tuple[Any, ...]], i: int) -> str:
    page, _, symbol, _ = rows[i]
    return f"{page_name(file.path, symbol, page >> SID_BITS)} (history)"
