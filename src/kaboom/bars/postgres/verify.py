"""The self-check: every page decodes, and its header matches its bars."""

from collections.abc import Iterator, Sequence
from typing import Any, LiteralString

from kaboom.bars.pages.codec import PageColumns, decode_sound, page_keys
from kaboom.bars.pages.frames import buckets_of
from kaboom.bars.pages.schema import HEADER, page_headers
from kaboom.bars.pages.verify import times_rise
from kaboom.bars.postgres.tables import BarTables, list_shards, page_name, size_of
from kaboom.bars.store import StoreFault, StoreHealth
from kaboom.errors import StoreDamaged, StoreError
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval

_AT_ONCE = 256
_SERIES = "SELECT source, interval, id FROM bar_series ORDER BY source, interval"
_PAGES = f"""
SELECT bucket, symbol, data, {", ".join(HEADER)} FROM bar_page
WHERE series = %s AND (bucket, symbol) > (%s, %s) ORDER BY bucket, symbol LIMIT {_AT_ONCE}
"""  # noqa: S608 (constants)
_REPLACED = f"""
SELECT bucket, symbol, at, data FROM bar_replaced
WHERE series = %s AND (bucket, symbol, at) > (%s, %s, %s) ORDER BY bucket, symbol, at LIMIT {_AT_ONCE}
"""  # noqa: S608 (constants)
#: What an administrator of PostgreSQL does about a damaged row.
MEND = "restore the row from a backup, or delete it from bar_page and fetch the session again"


def list_series(tables: BarTables) -> tuple[BarSeries, ...]:
    """Return the series that hold a bar or a rejected row, sorted."""
    # Unlike EXISTS, it is never answered by reading all pages into a hash table.
    held = "(SELECT true FROM {} WHERE series = s.id LIMIT 1)"
    either = f"{held.format('bar_page')} OR {held.format('bar_quarantine')}"
    with tables.database.reading() as sql:
        rows = sql.rows(f"SELECT source, interval FROM bar_series s WHERE {either}")  # noqa: S608 (constants)
    found = [(source, Interval(interval)) for source, interval in rows]
    return tuple(BarSeries(*each) for each in sorted(found))


def verify(tables: BarTables) -> StoreHealth:
    """Read every page back."""
    pages = bars = size = 0
    faults = list[StoreFault]()
    with tables.database.reading() as sql:
        series = sql.rows(_SERIES)
    for source, interval, number in series:
        found = BarSeries(source, Interval(interval))
        with tables.database.reading() as sql:
            size += sum(size_of(sql, number, shard) for shard in list_shards(sql, number))
        for some in _batches(tables, _PAGES, number, (-1, "")):
            pages += len(some)
            bars += sum(row[3] for row in some)
            faults += [StoreFault(name, fault, MEND) for name, fault in _check(found, some)]
        for some in _batches(tables, _REPLACED, number, (-1, "", 0)):
            _, errors = _decode(found, [(*row[:2], row[3]) for row in some])
            faults += [StoreFault(f"{page_name(found, *some[i][1::-1])} (history)", e, MEND) for i, e in errors.items()]
    return StoreHealth(pages=pages, bars=bars, bytes=size, faults=tuple(faults))


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


def _decode(series: BarSeries, rows: Sequence[tuple[Any, ...]]) -> tuple[PageColumns, dict[int, str]]:
    """Return the bars of the rows that can be read, and by number the fault of each other row."""
    keys = page_keys([row[1] for row in rows], [row[0] for row in rows])
    columns, errors = decode_sound(
        [row[2] for row in rows], keys, name_of=lambda i: page_name(series, *rows[i][1::-1]), skip=StoreError
    )
    return columns, {i: e.damage if isinstance(e, StoreDamaged) else e.message for i, e in errors.items()}


def _check(series: BarSeries, rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[str, str]]:
    """Yield the name and the fault of each damaged page."""
    columns, errors = _decode(series, rows)
    for i, fault in errors.items():
        yield page_name(series, *rows[i][1::-1]), fault
    sound = [row for i, row in enumerate(rows) if i not in errors]
    if not sound:
        return
    buckets = buckets_of(series.interval, columns.seconds)
    first, last = buckets[columns.offsets[:-1]].tolist(), buckets[columns.offsets[1:] - 1].tolist()
    heads = page_headers(columns, [row[1] for row in sound], [row[0] for row in sound])
    for row, actual, lo, hi, rising in zip(sound, heads, first, last, times_rise(columns), strict=True):
        bucket, symbol, _, *header = row
        wrong = {
            f"its bars were of the buckets {lo} to {hi}, expected {bucket}": (lo, hi) != (bucket, bucket),
            "its times are not in order": not rising,
            f"its header was {tuple(header)}, expected {actual}": tuple(header) != actual,
        }
        if fault := "; ".join(message for message, is_so in wrong.items() if is_so):
            yield page_name(series, symbol, bucket), fault
