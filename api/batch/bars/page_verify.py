"""The self-check: every page decodes, and its header says what it holds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from batch.bars.page_codec import PageColumns, decode_pages
from batch.bars.page_errors import store_errors
from batch.bars.page_files import PageFile, PageFiles, page_name
from batch.bars.page_frames import buckets_of
from batch.bars.page_headers import page_headers
from batch.bars.page_schema import HEADER, SID_BITS
from batch.bars.store import StoreFault, StoreHealth
from batch.errors import StoreError
from batch.market.bar import BarSeries

_PAGES_AT_ONCE = 256
_HEADER = ", ".join(f"p.{name}" for name in HEADER)
_NEXT = f"""
SELECT p.id, p.sid, p.bucket, s.symbol, p.data, {_HEADER} FROM page p LEFT JOIN sym s ON s.id = p.sid
WHERE p.id > ? ORDER BY p.id LIMIT {_PAGES_AT_ONCE}
"""  # noqa: S608 (fixed names)


def verify(files: PageFiles) -> StoreHealth:
    """Read every page of every file back; a file that cannot be read is a fault, not an error."""
    pages = bars = size = 0
    faults: list[StoreFault] = []
    for series in files.series():
        for shard in files.shards(series):
            path = files.path(series, shard)
            size += _size(path)
            try:
                with store_errors(path):
                    file = files.open(path)
                    if file is None:
                        continue
                    faults += _quick_check(file)
                    for n, fault in _check_pages(file, series):
                        pages += 1
                        bars += n
                        faults += [fault] if fault else []
            except StoreError as e:
                faults.append(StoreFault(str(path), e.message))
    return StoreHealth(pages=pages, bars=bars, bytes=size, faults=tuple(faults))


def checkpoint(files: PageFiles) -> None:
    """Move every WAL into its file and truncate it, as far as readers at work allow.

    Raises:
        StoreError: a file cannot be written.

    """
    for series in files.series():
        for shard in files.shards(series):
            path = files.path(series, shard)
            with store_errors(path):
                file = files.open(path)
                if file is not None:
                    file.sql.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def holds_anything(files: PageFiles, series: BarSeries) -> bool:
    """Whether a series has a bar or a refused row.

    Raises:
        StoreError: a file cannot be read.

    """
    for shard in files.shards(series):
        path = files.path(series, shard)
        with store_errors(path):
            file = files.open(path)
            sql = "SELECT EXISTS (SELECT 1 FROM page) OR EXISTS (SELECT 1 FROM quarantine)"
            if file is not None and file.sql.execute(sql).fetchone()[0]:
                return True
    return False


def _size(path: Path) -> int:
    parts = (path, path.with_name(f"{path.name}-wal"))
    return sum(p.stat().st_size for p in parts if p.exists())


def _quick_check(file: PageFile) -> list[StoreFault]:
    messages = [row[0] for row in file.sql.execute("PRAGMA quick_check")]
    return [StoreFault(str(file.path), m) for m in messages if m != "ok"]


def _check_pages(file: PageFile, series: BarSeries) -> Iterator[tuple[int, StoreFault | None]]:
    """Give the bars of each page, and what is wrong with it."""
    last = -(2**63)
    while rows := file.sql.execute(_NEXT, (last,)).fetchall():
        last = rows[-1][0]
        names = [page_name(file.path, str(row[3]), row[2]) for row in rows]
        try:
            columns = decode_pages([row[4] for row in rows], names.__getitem__)
        except StoreError:  # at least one is damaged: look at each alone
            for row, name in zip(rows, names, strict=True):
                yield _check_one(series, row, name)
        else:
            yield from _compare(series, rows, names, columns=columns)


def _check_one(series: BarSeries, row: tuple[Any, ...], name: str) -> tuple[int, StoreFault | None]:
    try:
        columns = decode_pages([row[4]], lambda _: name)
    except StoreError as e:
        return 0, StoreFault(name, e.message)
    return next(_compare(series, [row], [name], columns=columns))


def _compare(
    series: BarSeries, rows: list[tuple[Any, ...]], names: list[str], *, columns: PageColumns
) -> Iterator[tuple[int, StoreFault | None]]:
    buckets = buckets_of(series.interval, columns.seconds)
    first, last = buckets[columns.offsets[:-1]].tolist(), buckets[columns.offsets[1:] - 1].tolist()
    held = zip(page_headers(columns), first, last, _rising(columns), strict=True)
    for (page, sid, bucket, symbol, _, *header), name, (actual, lo, hi, rising) in zip(rows, names, held, strict=True):
        wrong = {
            f"its sid {sid} has no symbol": symbol is None,
            f"its id was {page}, expected {bucket << SID_BITS | sid}": page != bucket << SID_BITS | sid,
            f"it holds buckets {lo} to {hi}, expected {bucket}": (lo, hi) != (bucket, bucket),
            "its times do not rise": not rising,
            f"its header says {tuple(header)}, it holds {actual}": tuple(header) != actual,
        }
        said = "; ".join(message for message, is_so in wrong.items() if is_so)
        yield int(actual[0]), StoreFault(name, said) if said else None


def _rising(columns: PageColumns) -> list[bool]:
    """Whether times rise strictly within each page."""
    rising = np.append(np.diff(columns.seconds) > 0, True)
    rising[columns.offsets[1:] - 1] = True
    return [bool(x) for x in np.logical_and.reduceat(rising, columns.offsets[:-1])]
