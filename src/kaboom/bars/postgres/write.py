"""Writing pages: encode before the transaction, lock and merge what is stored, acknowledge after COMMIT."""

from collections.abc import Sequence
from typing import Any, LiteralString

import polars as pl

from kaboom.bars.folder.moments import find_damaged_time, to_us
from kaboom.bars.normalise import check_source, sort_bars
from kaboom.bars.pages.changes import PreparedWrite, plan_changes, prepare_write, sum_reports
from kaboom.bars.pages.frames import split_in_pages
from kaboom.bars.pages.history.replaced_bars import WIDE, add_runs
from kaboom.bars.pages.schema import HEADER
from kaboom.bars.postgres.tables import NOTE_WRITE, BarTables, page_name, writing
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
#: `OFFSET 0` has the planner look each page up in the index: of a partition that was not analysed yet it thinks that it
#: has two rows, and would read all.
_LOOK_UP = """
CROSS JOIN LATERAL (
    SELECT data, moved, grown FROM bar_page WHERE series = %b AND bucket = k.bucket AND symbol = k.symbol OFFSET 0
) p
"""
#: Which pages are stored, and whether as they would be written.
_FIND = f"""
SELECT k.i - 1, p.data = k.data
FROM unnest(%b::int[], %b::text[], %b::bytea[]) WITH ORDINALITY AS k (bucket, symbol, data, i) {_LOOK_UP}
"""  # noqa: S608 (constants)
#: Every page is added, or locked if it is stored, in one order: two writers never wait for each other in a circle.
_HOLD = f"""
INSERT INTO bar_page (series, since, moved, bucket, symbol, data, {_HEAD})
SELECT %b, m.at, m.at, u.bucket, u.symbol, u.data, {", ".join(f"u.{name}" for name in HEADER)}
FROM (SELECT coalesce(%b::bigint, (extract(epoch FROM statement_timestamp()) * 1000000)::bigint) AS at) m,
unnest(%b::int[], %b::text[], %b::bytea[], {_ARRAYS}) WITH ORDINALITY AS u (bucket, symbol, data, {_HEAD}, i)
ORDER BY u.i
ON CONFLICT (series, bucket, symbol) DO UPDATE SET moved = bar_page.moved WHERE false RETURNING bucket, symbol
"""  # noqa: S608 (constants)
_HELD = f"""
SELECT k.i - 1, p.data, p.moved, p.grown, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
FROM unnest(%b::int[], %b::text[]) WITH ORDINALITY AS k (bucket, symbol, i) {_LOOK_UP}
"""  # noqa: S608 (constants)
#: The arrays are for the planner, for the same reason.
_OF_PAGES = """
WHERE p.series = %b AND p.bucket = u.bucket AND p.symbol = u.symbol
AND p.bucket = ANY(%b::int[]) AND p.symbol = ANY(%b::text[])
"""
_CHANGE = f"""
UPDATE bar_page p SET moved = %b, data = u.data, {", ".join(f"{name} = u.{name}" for name in HEADER)}
FROM unnest(%b::int[], %b::text[], %b::bytea[], {_ARRAYS}) AS u (bucket, symbol, data, {_HEAD})
{_OF_PAGES}
"""  # noqa: S608 (constants)
_GROW = f"""
UPDATE bar_page p SET moved = %b, grown = u.grown
FROM unnest(%b::int[], %b::text[], %b::bytea[]) AS u (bucket, symbol, grown)
{_OF_PAGES}
"""  # noqa: S608 (constants)
_KEEP = """
INSERT INTO bar_replaced (series, at, bucket, symbol, data)
SELECT %b, %b, u.* FROM unnest(%b::int[], %b::text[], %b::bytea[]) AS u
"""


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
    batches = [write.batch for write in writes]
    number = tables.prepare(
        series, {b for batch in batches for b in batch.buckets}, {s for batch in batches for s in batch.symbols}
    )
    writers = [_PageWriter(series, number, write, clock) for write in writes]
    for writer in writers:
        writer.find(tables)
    if all(writer.is_stored for writer in writers):
        # A session that is ingested again, with nothing new, needs no transaction.
        return sum_reports([writer.report for writer in writers])
    with writing(tables) as sql:
        changes = [change for writer in writers for change in writer.put(sql)]
        sql.run_all([*changes, (NOTE_WRITE, (number,))])
    return sum_reports([writer.report for writer in writers])


class _PageWriter:
    """The write of one batch of pages, which are named by their numbers in it."""

    def __init__(self, series: BarSeries, number: int, write: PreparedWrite, clock: Clock | None) -> None:
        self._series = series
        self._number = number
        self._write = write
        self._clock = clock
        #: By page that is stored, whether it is as it would be written.
        self._found: dict[int, bool] = {}
        self.report = plan_changes(write, {}, name_of=self._name).report

    @property
    def is_stored(self) -> bool:
        """Whether nothing is left to write."""
        return all(self._found.get(i) for i in range(len(self._write.blobs)))

    def find(self, tables: BarTables) -> None:
        """Find the pages that are stored as they would be written: they are written no more."""
        every = range(len(self._write.blobs))
        self._found = dict(tables.database.rows(_FIND, (*self._keys(every), self._write.blobs, self._number)))

    def put(self, sql: Statements) -> list[tuple[LiteralString, tuple[Any, ...]]]:
        """Add the pages that are new, and return the statements that merge the others with those that are stored."""
        held, now = self._hold(sql, [i for i in range(len(self._write.blobs)) if not self._found.get(i)])
        stored = {i: row[0] for i, row in sorted(held.items())}
        broken = {i: why for i, row in held.items() if (why := find_damaged_time(row[1]))}
        at, number = max([now, *(row[1] + 1 for i, row in held.items() if i not in broken)]), self._number
        changes = plan_changes(self._write, stored, name_of=self._name, broken=broken)
        runs, damaged = add_runs(changes.grown, lambda i: held[i][2], at, newest=WIDE)
        if damaged:
            changes = plan_changes(self._write, stored, name_of=self._name, broken=broken | damaged)
        self.report = changes.report
        statements: list[tuple[LiteralString, tuple[Any, ...]]] = []
        if changes.replaced:
            pages, kept = zip(*changes.replaced, strict=True)
            statements.append((_KEEP, (number, at, *self._keys(pages), list(kept))))
        if changes.pages:
            columns = self._columns(changes.pages)
            statements.append((_CHANGE, (at, *columns, number, *columns[:2])))
        if runs:
            keys = self._keys([*runs])
            statements.append((_GROW, (at, *keys, [*runs.values()], number, *keys)))
        return statements

    def _hold(self, sql: Statements, pages: Sequence[int]) -> tuple[dict[int, tuple[bytes, int, bytes | None]], int]:
        """Add or lock pages; return the blobs, last changes and growth of those that were stored, and the time."""
        if not pages:
            return {}, 0
        batch, now = self._write.batch, None if self._clock is None else to_us(self._clock())
        rows = [(i, self._write.heads[i], self._write.blobs[i]) for i in pages]
        added = set(sql.rows(_HOLD, (self._number, now, *self._columns(rows))))
        stored = [i for i in pages if (batch.buckets[i], batch.symbols[i]) not in added]
        held = sql.rows(_HELD, (*self._keys(stored), self._number)) if stored else []
        found = {stored[i]: (data, moved, grown) for i, data, moved, grown, _ in held}
        return found, now or max((row[-1] for row in held), default=0)

    def _keys(self, pages: Sequence[int]) -> tuple[list[int], list[str]]:
        batch = self._write.batch
        return [batch.buckets[i] for i in pages], [batch.symbols[i] for i in pages]

    def _columns(self, rows: Sequence[tuple[int, tuple[Any, ...], bytes]]) -> list[list[Any]]:
        pages, heads, blobs = zip(*rows, strict=True)
        return [*self._keys(pages), list(blobs), *map(list, zip(*heads, strict=True))]

    def _name(self, i: int) -> str:
        return page_name(self._series, self._write.batch.symbols[i], self._write.batch.buckets[i])
