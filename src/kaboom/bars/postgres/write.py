"""Writing pages: encode before the transaction, lock and merge what is stored, acknowledge after COMMIT."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from kaboom.bars.folder.moments import to_us
from kaboom.bars.normalise import check_source, sort_bars
from kaboom.bars.pages.changes import PreparedWrite, plan_changes, prepare_write, sum_reports
from kaboom.bars.pages.frames import split_in_pages
from kaboom.bars.pages.history.replaced_bars import WIDE, add_run
from kaboom.bars.pages.schema import HEADER
from kaboom.bars.postgres.tables import BarTables, note_write, page_name, server_time, writing
from kaboom.bars.store import WriteReport
from kaboom.drivers.clock import Clock
from kaboom.drivers.postgres.blocking import Statements
from kaboom.market.bar import BarSeries

_TYPES = {
    **dict.fromkeys(HEADER, "int"),
    **dict.fromkeys(("first_ts", "last_ts", "v"), "bigint"),
    **dict.fromkeys("ohlc", "float8"),
}
_HEAD = ", ".join(HEADER)
_ARRAYS = ", ".join(f"%b::{_TYPES[name]}[]" for name in HEADER)
#: Which pages are stored, and whether as they would be written.
_FIND = """
SELECT k.i - 1, p.data = k.data
FROM unnest(%b::int[], %b::text[], %b::bytea[]) WITH ORDINALITY AS k (bucket, symbol, data, i)
JOIN bar_page p ON p.bucket = k.bucket AND p.symbol = k.symbol WHERE p.series = %b
"""
_KEYS = "unnest(%b::int[], %b::text[]) WITH ORDINALITY AS k (bucket, symbol, i)"
#: The order of the keys is that of the locks: two writers of the same pages do not wait for each other in a circle.
_LOCK = f"""
SELECT k.i - 1, p.data, p.moved, p.grown FROM {_KEYS} JOIN bar_page p ON p.bucket = k.bucket AND p.symbol = k.symbol
WHERE p.series = %b ORDER BY k.i FOR UPDATE OF p
"""  # noqa: S608 (constants)
_ADD = f"""
INSERT INTO bar_page (series, since, moved, bucket, symbol, data, {_HEAD})
SELECT %b, %b, %b, u.* FROM unnest(%b::int[], %b::text[], %b::bytea[], {_ARRAYS}) AS u
ON CONFLICT DO NOTHING RETURNING bucket, symbol
"""  # noqa: S608 (constants)
_CHANGE = f"""
UPDATE bar_page p SET moved = %b, data = u.data, {", ".join(f"{name} = u.{name}" for name in HEADER)}
FROM unnest(%b::int[], %b::text[], %b::bytea[], {_ARRAYS}) AS u (bucket, symbol, data, {_HEAD})
WHERE p.series = %b AND p.bucket = u.bucket AND p.symbol = u.symbol
"""  # noqa: S608 (constants)
_GROW = """
UPDATE bar_page p SET moved = %b, grown = u.grown
FROM unnest(%b::int[], %b::text[], %b::bytea[]) AS u (bucket, symbol, grown)
WHERE p.series = %b AND p.bucket = u.bucket AND p.symbol = u.symbol
"""
_KEEP = """
INSERT INTO bar_replaced (series, at, bucket, symbol, data)
SELECT %b, %b, u.* FROM unnest(%b::int[], %b::text[], %b::bytea[]) AS u
"""
_NAME = "INSERT INTO bar_symbol SELECT %b, u FROM unnest(%b::text[]) AS u ON CONFLICT DO NOTHING"


def write_bars(tables: BarTables, series: BarSeries, bars: pl.DataFrame, *, clock: Clock | None) -> WriteReport:
    """Store bars in one transaction; on return all are durable except those `refused`, whose pages are damaged.

    Replaced bars are kept with the moment of the write, by the clock of the server if none is given.

    Raises:
        InvalidRequest: the source's name is not a plain lower-case name.
        StoreError: nothing was stored; a retry is safe.

    """
    check_source(series.source)
    writes = [prepare_write(batch) for _, batch in split_in_pages(series.interval, sort_bars(bars))]
    if not writes:
        return WriteReport(0)
    number = tables.prepare(series, {bucket for write in writes for bucket in write.batch.buckets})
    with writing(tables) as sql:
        writers = [_PageWriter(sql, series, number, write, clock) for write in writes]
        reports = [writer.put() for writer in writers]
        # A session that is ingested again, with nothing new, is not waited for on the disk.
        if any(writer.has_changed for writer in writers):
            note_write(sql, number)
    return sum_reports(reports)


class _PageWriter:
    """The write of one batch of pages, which are named by their numbers in it."""

    def __init__(
        self, sql: Statements, series: BarSeries, number: int, write: PreparedWrite, clock: Clock | None
    ) -> None:
        self._sql = sql
        self._series = series
        self._number = number
        self._write = write
        self._clock = clock
        self.has_changed = False

    def put(self) -> WriteReport:
        """Add the pages that are new, and merge the others with those that are stored."""
        every = range(len(self._write.batch.symbols))
        found = dict(self._sql.rows(_FIND, (*self._keys(every), self._write.blobs, self._number)))
        held = self._lock([i for i in every if found.get(i) is False])
        missing = [i for i in every if i not in found]
        # Pages that another writer has added meanwhile are merged, too.
        if missing and (late := self._add(missing)):
            held |= self._lock(late)
        self.has_changed = bool(missing or held)
        blobs = {i: row[0] for i, row in sorted(held.items())}
        changes = plan_changes(self._write, blobs, name_of=self._name)
        at = max([self._now(), *(row[1] + 1 for row in held.values())]) if held else 0
        if changes.replaced:
            pages, kept = zip(*changes.replaced, strict=True)
            self._sql.run(_KEEP, (self._number, at, *self._keys(pages), list(kept)))
        if changes.pages:
            self._sql.run(_CHANGE, (at, *self._columns(changes.pages), self._number))
        if changes.grown:
            runs = [add_run(held[i][2], first_s, at, newest=WIDE) for i, first_s in changes.grown.items()]
            self._sql.run(_GROW, (at, *self._keys([*changes.grown]), runs, self._number))
        return changes.report

    def _lock(self, pages: Sequence[int]) -> dict[int, tuple[bytes, int, bytes | None]]:
        """Lock the stored pages among some; return their blobs, when they were changed last, and their growth."""
        rows = self._sql.rows(_LOCK, (*self._keys(pages), self._number)) if pages else []
        return {pages[i]: (data, moved, grown) for i, data, moved, grown in rows}

    def _add(self, pages: Sequence[int]) -> list[int]:
        """Add pages; return those that another writer has added."""
        batch = self._write.batch
        self._sql.run(_NAME, (self._number, sorted({batch.symbols[i] for i in pages})))
        at = self._now()
        new = [(i, self._write.heads[i], self._write.blobs[i]) for i in pages]
        added = set(self._sql.rows(_ADD, (self._number, at, at, *self._columns(new))))
        if len(added) == len(pages):
            return []
        return [i for i in pages if (batch.buckets[i], batch.symbols[i]) not in added]

    def _keys(self, pages: Sequence[int]) -> tuple[list[int], list[str]]:
        batch = self._write.batch
        return [batch.buckets[i] for i in pages], [batch.symbols[i] for i in pages]

    def _columns(self, rows: Sequence[tuple[int, tuple[Any, ...], bytes]]) -> list[list[Any]]:
        pages, heads, blobs = zip(*rows, strict=True)
        return [*self._keys(pages), list(blobs), *map(list, zip(*heads, strict=True))]

    def _name(self, i: int) -> str:
        return page_name(self._series, self._write.batch.symbols[i], self._write.batch.buckets[i])

    def _now(self) -> int:
        return server_time(self._sql) if self._clock is None else to_us(self._clock())
