"""The self-check: every page decodes, its header matches its bars, and other tables name its series and symbol."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from kaboom.bars.folder.connection import REPAIR
from kaboom.bars.folder.moments import find_damaged_time
from kaboom.bars.pages.codec import PageColumns, decode_sound, page_keys
from kaboom.bars.pages.frames import buckets_of
from kaboom.bars.pages.history.replaced_bars import WIDE, find_damaged_runs
from kaboom.bars.pages.schema import HEADER, page_headers
from kaboom.bars.pages.verify import times_rise
from kaboom.bars.postgres.tables import BarTables, list_shards, list_unknown, page_name, server_time, size_of
from kaboom.bars.store import StoreFault, StoreHealth
from kaboom.errors import StoreDamaged, StoreError
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval

_AT_ONCE = 256
#: That of a damaged row may be no date.
_FIRST_BUCKET = -(2**31)
_SERIES = "SELECT source, interval, id FROM bar_series ORDER BY source, interval"
#: The columns of a page that `check_rows` takes.
CHECKED = f"bucket, symbol, data, {', '.join(HEADER)}, since, moved, grown"
_PAGES = f"""
SELECT {CHECKED} FROM bar_page
WHERE series = %s AND (bucket, symbol) > (%s, %s) ORDER BY bucket, symbol LIMIT {_AT_ONCE}
"""  # noqa: S608 (constants)
#: An empty row says that a repair moved something away.
_REPLACED = f"""
SELECT r.bucket, r.symbol, r.at, r.data, p.moved FROM bar_replaced r LEFT JOIN bar_page p USING (series, bucket, symbol)
WHERE r.series = %s AND (r.bucket, r.symbol, r.at) > (%s, %s, %s) AND r.data <> ''
ORDER BY r.bucket, r.symbol, r.at LIMIT {_AT_ONCE}
"""  # noqa: S608 (constants)
_UNNAMED = """
SELECT DISTINCT p.symbol FROM bar_page p
WHERE p.series = %s AND NOT EXISTS (SELECT 1 FROM bar_symbol s WHERE s.series = p.series AND s.symbol = p.symbol)
ORDER BY p.symbol
"""
NOT_NAMED = "bar_symbol does not have it, so that it has no newest bar among all symbols"
NOT_KNOWN = "bar_series does not have the series of this table, so that its pages are not read"
_BEGIN = "SELECT history_from FROM bar_series WHERE id = %s"
_RESTORE = "restore the row of bar_series from a backup"


@dataclass(frozen=True, slots=True)
class DamagedRow:
    """A damaged page, or a damaged row of what writes replaced in it.

    Attributes:
        at: the moment of the write that replaced its bars, in µs since 1970; None for a page.
        head: the header that its bars have, if they can be read and only the header is wrong.
        is_newer: whether a newer Kaboom wrote it, so that it is not damaged.
        is_past: whether its bars can be read, and only what the row says of their moments is wrong.

    """

    series: BarSeries
    symbol: str
    bucket: int
    fault: str
    at: int | None = None
    head: tuple[int | float, ...] | None = None
    is_newer: bool = False
    is_past: bool = False

    @property
    def where(self) -> str:
        """The name of the row for people."""
        name = page_name(self.series, self.symbol, self.bucket)
        return f"{name} (history)" if self.at is not None or self.is_past else name

    def report(self) -> StoreFault:
        """Return the row as a fault of the store."""
        return StoreFault(self.where, self.fault, "" if self.is_newer else REPAIR)


def list_series(tables: BarTables) -> tuple[BarSeries, ...]:
    """Return the series that hold a bar or a rejected row, sorted."""
    # Unlike EXISTS, it is never answered by reading all pages into a hash table.
    held = "(SELECT true FROM {} WHERE series = s.id LIMIT 1)"
    either = f"{held.format('bar_page')} OR {held.format('bar_quarantine')}"
    with tables.database.reading() as sql:
        rows = sql.rows(f"SELECT source, interval FROM bar_series s WHERE {either}")  # noqa: S608 (constants)
    found = [(source, Interval(interval)) for source, interval in rows]
    return tuple(BarSeries(*each) for each in sorted(found))


def list_numbers(tables: BarTables) -> list[tuple[BarSeries, int]]:
    """Return every series and its number."""
    with tables.database.reading() as sql:
        return [(BarSeries(source, Interval(interval)), number) for source, interval, number in sql.rows(_SERIES)]


def verify(tables: BarTables) -> StoreHealth:
    """Read every page back."""
    pages = bars = size = 0
    faults = list[StoreFault]()
    for series, number in list_numbers(tables):
        with tables.database.reading() as sql:
            size += sum(size_of(sql, number, shard) for shard in list_shards(sql, number))
        for some, damaged in scan_pages(tables, series, number):
            pages += len(some)
            bars += sum(row[3] for row in some)
            faults += [row.report() for row in damaged]
        faults += [row.report() for row in scan_history(tables, series, number)]
        if damage := find_damaged_begin(tables, number):
            faults.append(StoreFault(f"{name_series(series)} (history)", damage, REPAIR))
        faults += [StoreFault(f"{name_series(series)} {s}", NOT_NAMED, REPAIR) for s in find_unnamed(tables, number)]
    with tables.database.reading() as sql:
        faults += [StoreFault(name, NOT_KNOWN, _RESTORE) for name in list_unknown(sql)]
    return StoreHealth(pages=pages, bars=bars, bytes=size, faults=tuple(faults))


def scan_pages(
    tables: BarTables, series: BarSeries, number: int
) -> Iterator[tuple[Sequence[tuple[Any, ...]], list[DamagedRow]]]:
    """Yield some pages of a series at a time, with those of them that are damaged."""
    for rows in _batches(tables, _PAGES, number, (_FIRST_BUCKET, "")):
        yield rows, list(check_rows(series, rows))


def scan_history(tables: BarTables, series: BarSeries, number: int) -> Iterator[DamagedRow]:
    """Yield the damaged rows of what writes replaced in the pages of a series."""
    for rows in _batches(tables, _REPLACED, number, (_FIRST_BUCKET, "", -(2**63))):
        _, errors = _decode(series, [(*row[:2], row[3]) for row in rows])
        for i, row in enumerate(rows):
            bucket, symbol, at, _, moved = row
            if i in errors:
                yield _damaged(series, row, errors[i], at=at)
            elif fault := find_damaged_time(at) or _find_late(at, moved):
                yield DamagedRow(series, symbol, bucket, fault, at, is_past=True)


def _find_late(at: int, moved: int | None) -> str:
    return "" if moved is None or at <= moved else f"its moment was {at}, expected at most {moved}, its last change"


def find_damaged_begin(tables: BarTables, number: int) -> str:
    """Return what is wrong with the moment from which the history of a series is whole; "" if nothing is."""
    with tables.database.reading() as sql:
        ((begins,),), now = sql.rows(_BEGIN, (number,)), server_time(sql)
    late = f"it begins at {begins} us since 1970, expected {now}, which is now, or before" if begins > now else ""
    return find_damaged_time(begins) or late


def find_unnamed(tables: BarTables, number: int) -> list[str]:
    """Return the symbols that pages of a series have, and `bar_symbol` does not."""
    with tables.database.reading() as sql:
        return [symbol for (symbol,) in sql.rows(_UNNAMED, (number,))]


def name_series(series: BarSeries) -> str:
    """Return the name of a series in faults."""
    return f"{series.source}/{series.interval}"


def _batches(
    tables: BarTables, statement: LiteralString, number: int, after: tuple[Any, ...]
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of a series in the order of their keys, some at a time; others write meanwhile."""
    rows = [after]
    while rows:
        with tables.database.reading() as sql:
            rows = sql.rows(statement, (number, *rows[-1][: len(after)]))
        if rows:
            yield rows


def _decode(series: BarSeries, rows: Sequence[tuple[Any, ...]]) -> tuple[PageColumns, dict[int, StoreError]]:
    """Return the bars of the rows that can be read, and by number the error of each other row."""
    keys = page_keys([row[1] for row in rows], [row[0] for row in rows])
    return decode_sound(
        [row[2] for row in rows], keys, name_of=lambda i: page_name(series, *rows[i][1::-1]), skip=StoreError
    )


def _damaged(series: BarSeries, row: tuple[Any, ...], error: StoreError, *, at: int | None = None) -> DamagedRow:
    if isinstance(error, StoreDamaged):
        return DamagedRow(series, row[1], row[0], error.damage, at)
    return DamagedRow(series, row[1], row[0], error.message, at, is_newer=True)


def check_rows(series: BarSeries, rows: Sequence[tuple[Any, ...]]) -> Iterator[DamagedRow]:
    """Yield the damaged ones of pages, of which each row has the columns `CHECKED`."""
    columns, errors = _decode(series, rows)
    for i, error in errors.items():
        yield _damaged(series, rows[i], error)
    sound = [row for i, row in enumerate(rows) if i not in errors]
    if not sound:
        return
    buckets = buckets_of(series.interval, columns.seconds)
    first, last = buckets[columns.offsets[:-1]].tolist(), buckets[columns.offsets[1:] - 1].tolist()
    heads = page_headers(columns, [row[1] for row in sound], [row[0] for row in sound])
    starts, ends = columns.seconds[columns.offsets[:-1]].tolist(), columns.seconds[columns.offsets[1:] - 1].tolist()
    for row, span in zip(sound, zip(starts, ends, strict=True), strict=True):
        if fault := _find_damaged_past(span, *row[-3:]):
            yield DamagedRow(series, row[1], row[0], fault, is_past=True)
    for row, actual, lo, hi, rising in zip(sound, heads, first, last, times_rise(columns), strict=True):
        bucket, symbol, _, *header, _, _, _ = row
        wrong = {
            f"its bars were of the buckets {lo} to {hi}, expected {bucket}": (lo, hi) != (bucket, bucket),
            "its times are not in order": not rising,
            f"its header was {tuple(header)}, expected {actual}": tuple(header) != actual,
        }
        faults = [message for message, is_so in wrong.items() if is_so]
        if faults:
            has_bars = (lo, hi) == (bucket, bucket) and rising
            yield DamagedRow(series, symbol, bucket, "; ".join(faults), head=actual if has_bars else None)


def _find_damaged_past(bars: tuple[int, int], since: int, moved: int, grown: bytes | None) -> str:
    if fault := find_damaged_time(since) or find_damaged_time(moved):
        return fault
    if since > moved:
        return f"it was added at {since} us since 1970, expected {moved}, its last change, or before"
    return find_damaged_runs(grown, bars, (since, moved), newest=WIDE)
