"""Repairing the tables row by row, while others read and write: each row is locked, checked again, and changed."""

from collections.abc import Iterator
from datetime import date
from itertools import chain

from kaboom.bars.normalise import to_day
from kaboom.bars.pages.history.replaced_bars import LOST
from kaboom.bars.pages.repair.pages import days_of, gaps_of
from kaboom.bars.pages.schema import HEADER
from kaboom.bars.postgres.tables import BarTables, list_unknown, note_write, server_time, writing
from kaboom.bars.postgres.verify import (
    CHECKED,
    NOT_KNOWN,
    NOT_NAMED,
    DamagedRow,
    check_rows,
    find_damaged_begin,
    find_unnamed,
    list_numbers,
    name_series,
    scan_history,
    scan_pages,
)
from kaboom.bars.store import RepairedItem
from kaboom.drivers.postgres.blocking import Statements
from kaboom.market.bar import BarSeries

_ROW = "series = %s AND bucket = %s AND symbol = %s"
_LOCK = f"SELECT {CHECKED} FROM bar_page WHERE {_ROW} FOR UPDATE"  # noqa: S608 (constants)
_SET_HEADER = f"UPDATE bar_page SET {', '.join(f'{name} = %s' for name in HEADER)} WHERE {_ROW}"  # noqa: S608 (constants)
#: A damaged moment may be the last number.
_NEXT = f"SELECT greatest(CASE WHEN moved < {2**62} THEN moved + 1 END, %s) FROM bar_page WHERE {_ROW}"  # noqa: S608 (constants)
#: The archive: no series has a number below 0, so nothing reads these rows.
_KEEP_PAGE = f"""
INSERT INTO bar_replaced (series, bucket, symbol, at, data)
SELECT -series, bucket, symbol, %s, data FROM bar_page WHERE {_ROW}
"""  # noqa: S608 (a constant)
_KEEP_RUNS = f"""
INSERT INTO bar_replaced (series, bucket, symbol, at, data)
SELECT -series, bucket, symbol, %s, coalesce(grown, '') FROM bar_page WHERE {_ROW}
"""  # noqa: S608 (a constant)
_BEGIN_PAGE = f"UPDATE bar_page SET since = %s, moved = %s, grown = NULL WHERE {_ROW}"  # noqa: S608 (a constant)
_BEGIN_SERIES = "UPDATE bar_series SET history_from = %s WHERE id = %s"
_DELETE = f"DELETE FROM bar_page WHERE {_ROW}"  # noqa: S608 (a constant)
_MARK = "INSERT INTO bar_replaced (series, bucket, symbol, at, data) VALUES (%s, %s, %s, %s, %s)"
_LOCK_REPLACED = f"SELECT data FROM bar_replaced WHERE {_ROW} AND at = %s FOR UPDATE"  # noqa: S608 (a constant)
_KEEP_REPLACED = f"""
INSERT INTO bar_replaced (series, bucket, symbol, at, data)
SELECT -series, bucket, symbol, at, data FROM bar_replaced WHERE {_ROW} AND at = %s
"""  # noqa: S608 (a constant)
_DELETE_REPLACED = f"DELETE FROM bar_replaced WHERE {_ROW} AND at = %s"  # noqa: S608 (a constant)
_EMPTY = f"UPDATE bar_replaced SET data = %s WHERE {_ROW} AND at = %s"  # noqa: S608 (a constant)
_OVERLAP = "series = %s AND symbol = %s AND last >= %s AND first <= %s"
_FETCHES = f"SELECT first, last, bars, at FROM bar_fetch WHERE {_OVERLAP} ORDER BY last, first FOR UPDATE"  # noqa: S608 (a constant)
_DROP_FETCHES = f"DELETE FROM bar_fetch WHERE {_OVERLAP}"  # noqa: S608 (a constant)
_PUT_FETCH = """
INSERT INTO bar_fetch (series, symbol, first, last, bars, at) VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_NAME = "INSERT INTO bar_symbol SELECT %s, u FROM unnest(%s::text[]) AS u ON CONFLICT DO NOTHING"

#: What a dry run says of a damaged row, and what a repair says.
_DONE = {
    "page": ("the page would be moved to the archive", "the page was moved to the archive"),
    "header": (
        "the header would be made again from the bars of the page",
        "the header was made again from the bars of the page",
    ),
    "history": (
        "the row would be moved to the archive; earlier moments of the page cannot be read",
        "the row was moved to the archive; earlier moments of the page cannot be read",
    ),
    "past": (
        "the history of the page would begin now; earlier moments of it cannot be read",
        "the history of the page begins now; earlier moments of it cannot be read",
    ),
}


def repair(tables: BarTables, *, is_dry: bool) -> tuple[RepairedItem, ...]:
    """Repair everything as `RepairableStore.repair` says; the archive is in `bar_replaced`.

    A header is made again from the bars of its page, which are moved to the archive only if they cannot be read. Rows
    of a newer Kaboom stay. A table whose series is not known is reported and stays.
    """
    mended = list[RepairedItem]()
    for series, number in list_numbers(tables):
        mended += _name_symbols(tables, series, number, is_dry=is_dry)
        mended += _begin_again(tables, series, number, is_dry=is_dry)
        pages = (row for _, damaged in scan_pages(tables, series, number) for row in damaged)
        # The history after the pages: a repaired page has another last change.
        for row in chain(pages, scan_history(tables, series, number)):
            if not row.is_newer and (item := _mend(tables, number, row, is_dry=is_dry)):
                mended.append(item)
    with tables.database.reading() as sql:
        unknown = list_unknown(sql)
    done = "it was left as it is: restore the row of bar_series from a backup"
    return (*mended, *(RepairedItem(name, NOT_KNOWN, done) for name in unknown))


def _name_symbols(tables: BarTables, series: BarSeries, number: int, *, is_dry: bool) -> Iterator[RepairedItem]:
    symbols = find_unnamed(tables, number)
    if symbols and not is_dry:
        with writing(tables) as sql:
            sql.run(_NAME, (number, symbols))
            note_write(sql, number)
    done = "the symbol would be added" if is_dry else "the symbol was added"
    for symbol in symbols:
        yield RepairedItem(f"{name_series(series)} {symbol}", NOT_NAMED, done)


def _begin_again(tables: BarTables, series: BarSeries, number: int, *, is_dry: bool) -> Iterator[RepairedItem]:
    """Have a history begin now whose begin is damaged: it may lack what was replaced before."""
    if not (damage := find_damaged_begin(tables, number)):
        return
    if not is_dry:
        with writing(tables) as sql:
            sql.run(_BEGIN_SERIES, (server_time(sql), number))
            note_write(sql, number)
    done = "the history would begin now" if is_dry else "the history begins now"
    yield RepairedItem(f"{name_series(series)} (history)", damage, f"{done}; earlier moments cannot be read")


def _mend(tables: BarTables, number: int, row: DamagedRow, *, is_dry: bool) -> RepairedItem | None:
    """Repair a row, unless a writer has replaced it since it was found."""
    if is_dry:
        return _report(row, "")
    with writing(tables) as sql:
        still = _check_again(sql, number, row)
        if still is None or still.is_newer:
            return None
        kept = _move_history(sql, number, still) if still.at is not None else _mend_page(sql, number, still)
        note_write(sql, number)
    return _report(still, kept)


def _check_again(sql: Statements, number: int, row: DamagedRow) -> DamagedRow | None:
    key = (number, row.bucket, row.symbol)
    if row.at is None:
        return next(check_rows(row.series, sql.rows(_LOCK, key)), None)
    # A row of history is written once: it is as it was found, or gone.
    return row if any(data != LOST for (data,) in sql.rows(_LOCK_REPLACED, (*key, row.at))) else None


def _mend_page(sql: Statements, number: int, row: DamagedRow) -> str:
    """Make the header of a page again, have its history begin now, or move it to the archive; return the place."""
    key = (number, row.bucket, row.symbol)
    if row.head is not None:
        sql.run(_SET_HEADER, (*row.head, *key))
        return "bar_page"
    at = int(sql.rows(_NEXT, (server_time(sql), *key))[0][0])
    if row.is_past:
        sql.run(_KEEP_RUNS, (at, *key))
        sql.run(_BEGIN_PAGE, (at, at, *key))
        sql.run(_MARK, (*key, at, LOST))
        return _place(number, row, at)
    sql.run(_KEEP_PAGE, (at, *key))
    sql.run(_DELETE, key)
    sql.run(_MARK, (*key, at, LOST))
    _delete_fetches(sql, number, row.symbol, days_of(row.series, row.bucket))
    return _place(number, row, at)


def _move_history(sql: Statements, number: int, row: DamagedRow) -> str:
    key = (number, row.bucket, row.symbol, row.at)
    sql.run(_KEEP_REPLACED, key)
    if row.is_past:
        # Its moment says nothing, so that of the repair stands for it.
        sql.run(_DELETE_REPLACED, key)
        sql.run(_MARK, (*key[:3], server_time(sql), LOST))
    else:
        sql.run(_EMPTY, (LOST, *key))
    return _place(number, row, row.at or 0)


def _place(number: int, row: DamagedRow, at: int) -> str:
    return f"bar_replaced: series {-number}, bucket {row.bucket}, symbol {row.symbol}, at {at}"


def _delete_fetches(sql: Statements, number: int, symbol: str, days: tuple[date, date] | None) -> None:
    """Delete the fetch log of a symbol on some days; entries of other days stay."""
    if days is None:
        return
    low, high = to_day(days[0]), to_day(days[1])
    overlap = (number, symbol, low, high)
    runs = sql.rows(_FETCHES, overlap)
    sql.run(_DROP_FETCHES, overlap)
    for first, last, bars, at in runs:
        for begin, end in ((first, low - 1), (high + 1, last)):
            if begin <= end:
                sql.run(_PUT_FETCH, (number, symbol, begin, end, bars, at))


def _report(row: DamagedRow, kept: str) -> RepairedItem:
    kind = "history" if row.at is not None else "past" if row.is_past else "page" if row.head is None else "header"
    planned, done = _DONE[kind]
    if kind != "page":
        return RepairedItem(row.where, row.fault, done if kept else planned, "" if row.head is not None else kept)
    gaps = gaps_of(row.series, [(row.symbol, row.bucket)])
    return RepairedItem(row.where, row.fault, done if kept else planned, kept, gaps)
