"""Copying the readable part of a damaged page file into a new one."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from kaboom.bars.folder.connection import connected
from kaboom.bars.folder.moments import to_us
from kaboom.bars.normalise import to_day
from kaboom.bars.pages.files import ALL, UNDATED
from kaboom.bars.pages.repair.pages import days_of, delete_fetches
from kaboom.bars.pages.schema import CREATE, HEADER, SID_BITS
from kaboom.bars.pages.verify import check_rows, select_pages
from kaboom.drivers.clock import utc_now
from kaboom.market.bar import BarSeries

_PUT = f"INSERT INTO page (id, sid, bucket, data, {', '.join(HEADER)}) VALUES ({', '.join('?' * (4 + len(HEADER)))})"  # noqa: S608 (fixed names)
_FIRST_YEAR = 1949
#: Tables whose readable rows are copied; bars lost from the fetch log are fetched again.
_SIDE_TABLES = ("asked", "quarantine")


@dataclass(slots=True)
class Salvaged:
    """The readable part of a damaged file.

    Attributes:
        pages: how many sound pages are in the new file.
        symbols: the symbols of the file by their ids; empty if they could not be read.
        lost: the symbol and bucket of each page that is damaged, or could not be read.

    """

    pages: int = 0
    symbols: dict[int, str] = field(default_factory=dict)
    lost: list[tuple[str, int]] = field(default_factory=list)


def salvage(damaged: Path, fresh: Path, series: BarSeries) -> Salvaged:
    """Write a new page file with the readable part of a damaged one, which may be missing.

    Its history begins now, since rows of the old history may be lost.

    Raises:
        sqlite3.Error, StoreError: the new file could not be written.

    """
    saved = Salvaged()
    with closing(sqlite3.connect(fresh, isolation_level=None)) as sql:
        sql.executescript(CREATE)
        sql.execute("UPDATE moment SET at = ? WHERE no = 0", (to_us(utc_now()),))
        if damaged.exists():
            # Not memory-mapped: a truncated file must not be read beyond its end.
            with connected(damaged, "mode=ro") as old:
                # Without this, SQLite reads nothing of a truncated file.
                old.execute("PRAGMA writable_schema = ON")
                sql.execute("BEGIN")
                _copy(old, sql, damaged, series, saved)
                sql.execute("COMMIT")
    return saved


def buckets_in(shard: str) -> range:
    """Return the buckets that a file can hold."""
    if shard == ALL:
        return range(_FIRST_YEAR, datetime.now(UTC).year + 2)
    if shard == UNDATED:
        return range(0)
    first = date.fromisoformat(f"{shard}-01")
    return range(to_day(first), to_day((first + timedelta(days=31)).replace(day=1)))


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, damaged: Path, series: BarSeries, saved: Salvaged) -> None:
    with suppress(sqlite3.DatabaseError):
        saved.symbols = dict(old.execute("SELECT id, symbol FROM sym NOT INDEXED").fetchall())
    new.executemany("INSERT OR IGNORE INTO sym (id, symbol) VALUES (?, ?)", saved.symbols.items())
    for bucket in buckets_in(damaged.stem):
        rows = list(_read_bucket(old, bucket, saved))
        for row, page in zip(rows, check_rows(damaged, series, rows), strict=True):
            if not page.fault:
                new.execute(_PUT, (*row[:3], *row[4:]))
                saved.pages += 1
            elif page.symbol:
                saved.lost.append((page.symbol, bucket))
    for table in _SIDE_TABLES:
        _copy_rows(old, new, table)
    sids = {symbol: sid for sid, symbol in saved.symbols.items()}
    for symbol, bucket in saved.lost:
        if symbol in sids:
            delete_fetches(new, sids[symbol], days_of(series, bucket))


def _read_bucket(old: sqlite3.Connection, bucket: int, saved: Salvaged) -> Iterator[tuple[Any, ...]]:
    """Yield the pages of a bucket: all at once, or one by one if some cannot be read."""
    low = bucket << SID_BITS
    try:
        pages = select_pages(old)
        yield from old.execute(f"{pages} WHERE p.id >= ? AND p.id < ?", (low, low + (1 << SID_BITS))).fetchall()
    except sqlite3.DatabaseError:
        for sid, symbol in saved.symbols.items():
            try:
                yield from old.execute(f"{select_pages(old)} WHERE p.id = ?", (low | sid,)).fetchall()
            except sqlite3.DatabaseError:
                saved.lost.append((symbol, bucket))


def _copy_rows(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> None:
    with suppress(sqlite3.DatabaseError):
        # Tables of an older Kaboom have fewer columns.
        names = [row[1] for row in old.execute(f"PRAGMA table_info({table})")]
        marks = ", ".join("?" * len(names))
        put = f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 (fixed names)
        for row in old.execute(f"SELECT * FROM {table}"):  # noqa: S608 (fixed names)
            new.execute(put, row)
