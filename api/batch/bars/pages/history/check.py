"""The self-check of the history: every row decodes."""

from collections.abc import Sequence
from dataclasses import dataclass

from batch.bars.pages.codec import decode_pages
from batch.bars.pages.files import PageFile, page_name
from batch.bars.pages.history.moments import has_history
from batch.bars.pages.schema import SID_BITS
from batch.errors import StoreDamaged, StoreError

_AT_ONCE = 2_000
_ROWS = f"""
SELECT r.page, r.no, coalesce(s.symbol, ''), r.data FROM replaced r
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
        after = rows[-1][:2]
        try:
            decode_pages([row[3] for row in rows], str)
        except StoreError:
            found += [damaged for row in rows for damaged in _check(file, row)]
    return found


def _check(file: PageFile, row: Sequence[object]) -> list[DamagedHistory]:
    page, no, symbol, data = row
    if not isinstance(page, int) or not isinstance(no, int) or not isinstance(data, bytes):
        raise TypeError("a row of the history had the wrong types, which STRICT forbids")
    where = f"{page_name(file.path, str(symbol), page >> SID_BITS)} (history)"
    try:
        decode_pages([data], lambda _: where)
    except StoreError as e:
        return [DamagedHistory(page, no, where, data, e.damage if isinstance(e, StoreDamaged) else e.message)]
    return []
