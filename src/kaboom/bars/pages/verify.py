"""The self-check: every page decodes, and its header matches its bars."""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kaboom.bars.actions.sqlite import find_action_files, find_damage
from kaboom.bars.folder.connection import REPAIR, store_errors
from kaboom.bars.pages.codec import PageColumns, decode_sound, page_keys
from kaboom.bars.pages.files import PageFile, PageFiles, check_order, has_sums, page_name, size_on_disk
from kaboom.bars.pages.frames import buckets_of
from kaboom.bars.pages.history.moments import find_damaged_history, find_damaged_moments, has_history
from kaboom.bars.pages.schema import HEADER, SID_BITS, SUMS, page_headers
from kaboom.bars.store import StoreFault, StoreHealth
from kaboom.errors import StoreDamaged, StoreError
from kaboom.market.bar import BarSeries

_PAGES_AT_ONCE = 256
_SUMS_AT = tuple(map(HEADER.index, SUMS))
#: The columns of a page that are checked.
CHECKED = ("id", "sid", "bucket", "symbol", "data", *HEADER)
#: A damaged number may be NULL, or no number.
_PAGES = """
SELECT p.id, ifnull(CAST(p.sid AS INTEGER), -1), ifnull(CAST(p.bucket AS INTEGER), -1), s.symbol, CAST(p.data AS BLOB),
{header} FROM page p LEFT JOIN sym s ON s.id = p.sid
"""


@dataclass(frozen=True, slots=True)
class CheckedPage:
    """A page that was read back: its row, symbol ("" if it has none), bucket, bars, and fault."""

    row: int
    symbol: str
    bucket: int
    bars: int
    fault: str = ""


def verify(files: PageFiles) -> StoreHealth:
    """Read every page of every file back; a file that cannot be read is a fault, not an error."""
    pages = bars = size = 0
    faults: list[StoreFault] = []
    for series in files.series():
        for shard in files.shards(series):
            path = files.path(series, shard)
            size += size_on_disk(path)
            try:
                with files.opened(series, shard) as file:
                    if file is None:
                        continue
                    faults += [StoreFault(str(path), message, REPAIR) for message in check_structure(file)]
                    damaged = set[int]()
                    for page in check_pages(file, series):
                        pages += 1
                        bars += page.bars
                        if page.fault:
                            damaged.add(page.row)
                            faults.append(StoreFault(page_name(path, page.symbol, page.bucket), page.fault, REPAIR))
                    faults += _check_history(file, damaged)
            except StoreError as e:
                faults.append(_fault_of_file(path, e))
    return StoreHealth(pages=pages, bars=bars, bytes=size, faults=(*faults, *_missing(files), *_actions(files)))


def _check_history(file: PageFile, damaged: Collection[int]) -> list[StoreFault]:
    """Return the faults of a file's history; of a page that is damaged itself, only those of its replaced bars."""
    rows = [row for row in find_damaged_history(file) if row.no or row.page not in damaged]
    faults = [StoreFault(row.where, row.fault, REPAIR) for row in rows]
    if has_history(file.sql) and (damage := find_damaged_moments(file.sql)):
        faults.append(StoreFault(f"{file.path} (history)", damage, REPAIR))
    return faults


def _fault_of_file(path: Path, error: StoreError) -> StoreFault:
    if isinstance(error, StoreDamaged):
        return StoreFault(str(path), error.damage, REPAIR)
    return StoreFault(str(path), error.message, "check the disk, the permissions of the file, and Kaboom's version")


def _missing(files: PageFiles) -> list[StoreFault]:
    try:
        with store_errors(files.root):
            gone = {*files.catalogue.missing(), *files.lost()}
            is_lost = files.catalogue.is_lost()
    except StoreError as e:
        return [_fault_of_file(files.root, e)]
    faults = [StoreFault(str(path), "the file is missing", REPAIR) for path in sorted(gone)]
    if is_lost:
        why = "the list of files is missing, so a lost file would not be noticed"
        faults.append(StoreFault(str(files.catalogue.path), why, REPAIR))
    return faults


def _actions(files: PageFiles) -> list[StoreFault]:
    faults = []
    for path in find_action_files(files.root):
        try:
            damage = find_damage(path)
        except StoreError as e:
            faults.append(_fault_of_file(path, e))
        else:
            faults += [StoreFault(str(path), damage, REPAIR)] if damage else []
    return faults


def holds_anything(files: PageFiles, series: BarSeries) -> bool:
    """Return whether a series has a bar or a rejected row.

    Raises:
        StoreError: a file cannot be read.

    """
    for shard in files.shards(series):
        with files.opened(series, shard) as file:
            sql = "SELECT EXISTS (SELECT 1 FROM page) OR EXISTS (SELECT 1 FROM quarantine)"
            if file is not None and file.sql.execute(sql).fetchone()[0]:
                return True
    return False


def check_structure(file: PageFile, *, with_indexes: bool = True) -> list[str]:
    """Return the faults that SQLite finds in the structure of a file, and between its tables and their indexes."""
    check = "integrity_check" if with_indexes else "quick_check"
    found = [" ".join(row[0].split()) for row in file.sql.execute(f"PRAGMA {check}") if row[0] != "ok"]
    # The quick check counts the entries of an index, too.
    return [fault for fault in found if with_indexes or not fault.startswith("wrong # of entries in index")]


def check_pages(file: PageFile, series: BarSeries) -> Iterator[CheckedPage]:
    """Read every page of a file back; raises sqlite3.Error or StoreDamaged if the file cannot be read."""
    after = -(2**63)
    page_after = f"{select_pages(file.sql)} WHERE p.id > ? ORDER BY p.id LIMIT {_PAGES_AT_ONCE}"
    while rows := file.sql.execute(page_after, (after,)).fetchall():
        check_order(file.path, after, [row[0] for row in rows])
        after = rows[-1][0]
        yield from check_rows(file.path, series, rows)


def select_pages(sql: sqlite3.Connection) -> str:
    """Return the SQL that selects the `CHECKED` columns of pages; a file without checksums gives NULL for them."""
    lacking = () if has_sums(sql) else SUMS
    return _PAGES.format(header=", ".join("NULL" if name in lacking else f"p.{name}" for name in HEADER))


def check_rows(path: Path, series: BarSeries, rows: Sequence[tuple[Any, ...]]) -> Iterator[CheckedPage]:
    """Check rows of pages, as `select_pages` selects them."""
    names = [page_name(path, str(row[3]), row[2]) for row in rows]
    keys = page_keys([row[3] or "" for row in rows], [row[0] >> SID_BITS for row in rows])
    columns, errors = decode_sound([row[4] for row in rows], keys, name_of=names.__getitem__, skip=StoreError)
    sound = _compare(series, [row for i, row in enumerate(rows) if i not in errors], columns)
    for i, row in enumerate(rows):
        if e := errors.get(i):
            damage = e.damage if isinstance(e, StoreDamaged) else e.message
            damage = damage if row[3] else f"its sid {row[1]} has no symbol; {damage}"
            yield CheckedPage(row[0], row[3] or "", row[2], 0, damage)
        else:
            yield next(sound)


def _compare(series: BarSeries, rows: Sequence[tuple[Any, ...]], columns: PageColumns) -> Iterator[CheckedPage]:
    buckets = buckets_of(series.interval, columns.seconds)
    first, last = buckets[columns.offsets[:-1]].tolist(), buckets[columns.offsets[1:] - 1].tolist()
    heads = page_headers(columns, [row[3] or "" for row in rows], [row[2] for row in rows])
    held = zip(heads, first, last, times_rise(columns), strict=True)
    for (page, sid, bucket, symbol, _, *header), (actual, lo, hi, rising) in zip(rows, held, strict=True):
        # A page of an older Kaboom has no checksums.
        whole = tuple(actual[i] if value is None and i in _SUMS_AT else value for i, value in enumerate(header))
        wrong = {
            f"its sid {sid} has no symbol": symbol is None,
            f"its id was {page}, expected {bucket << SID_BITS | sid}": page != bucket << SID_BITS | sid,
            f"its bars were of the buckets {lo} to {hi}, expected {bucket}": (lo, hi) != (bucket, bucket),
            "its times are not in order": not rising,
            f"its header was {whole}, expected {actual}": whole != actual,
        }
        fault = "; ".join(message for message, is_so in wrong.items() if is_so)
        yield CheckedPage(page, symbol or "", bucket, int(actual[0]), fault)


def times_rise(columns: PageColumns) -> list[bool]:
    """Return whether times rise strictly within each page."""
    rising = np.append(np.diff(columns.seconds) > 0, True)
    rising[columns.offsets[1:] - 1] = True
    return [bool(x) for x in np.logical_and.reduceat(rising, columns.offsets[:-1])]
