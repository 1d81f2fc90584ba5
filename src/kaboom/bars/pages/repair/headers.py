"""Repairing what stands beside sound blobs: indexes that differ from their tables, and checksums that pages lack."""

from kaboom.bars.pages.blob import add_key, page_keys
from kaboom.bars.pages.codec import decode_pages
from kaboom.bars.pages.files import PageFile, has_sums, page_name
from kaboom.bars.pages.headers import page_headers
from kaboom.bars.pages.repair.pages import days_of, delete_fetches, gaps_of
from kaboom.bars.pages.repair.port import RepairedItem
from kaboom.bars.pages.repair.salvage import buckets_in
from kaboom.bars.pages.schema import HEADER, SID_BITS, SUMS
from kaboom.bars.pages.verify import check_rows, check_structure, select_pages
from kaboom.bars.pages.write import prepare_file, transaction
from kaboom.market.bar import BarSeries

_AT_ONCE = 256
#: Entries of the index that have no page.
_WITHOUT_PAGE = f"""
SELECT q.sid, s.symbol, q.bucket FROM page q INDEXED BY cov JOIN sym s ON s.id = q.sid
WHERE NOT EXISTS (SELECT 1 FROM page p WHERE p.id = q.bucket << {SID_BITS} | q.sid)
"""  # noqa: S608 (a constant)
_ADD = "UPDATE page SET newest_sum = ?, cover_sum = ?, data = ? WHERE id = ?"
_SUMS_AT = tuple(map(HEADER.index, SUMS))


def rebuild_indexes(file: PageFile, series: BarSeries, *, is_dry: bool) -> list[RepairedItem]:
    """Build the indexes of a file from its tables if they differ, and report the pages that only the index had.

    Raises:
        StoreError: the file could not be locked or written, or its tables contradict themselves.

    """
    if not (faults := check_structure(file)):
        return []
    known = buckets_in(file.path.stem)
    lost = [row for row in file.sql.execute(_WITHOUT_PAGE).fetchall() if row[2] in known]
    if not is_dry:
        with transaction(file) as sql:
            sql.execute("REINDEX")
            for sid, _, bucket in lost:
                delete_fetches(sql, sid, days_of(series, bucket))
    done = "the indexes would be built from the tables" if is_dry else "the indexes were built from the tables"
    gaps = gaps_of(series, [(symbol, bucket) for _, symbol, bucket in lost])
    return [RepairedItem(str(file.path), "; ".join(faults[:3]), done, gaps=gaps)]


def add_sums(file: PageFile, series: BarSeries, *, is_dry: bool) -> list[RepairedItem]:
    """Give checksums to the sound pages of an older Kaboom that have none; a dry run only reports.

    Raises:
        StoreError: the file could not be locked or written.

    """
    lacking = " WHERE cover_sum IS NULL" if has_sums(file.sql) else ""
    (count,) = file.sql.execute(f"SELECT count(*) FROM page{lacking}").fetchone()  # noqa: S608 (constants)
    if not count:
        return []
    after: int | None = -(2**63)
    while after is not None and not is_dry:
        after = _add_some(file, series, after)
    done = "they would get checksums" if is_dry else "they have checksums now"
    return [RepairedItem(str(file.path), f"{count} pages of an older Kaboom had no checksums of their headers", done)]


def _add_some(file: PageFile, series: BarSeries, after: int) -> int | None:
    """Give checksums to some pages behind a row; return the last one, or None if there were none."""
    with transaction(file) as sql:
        prepare_file(file, sql)
        lacking = f"{select_pages(sql)} WHERE p.cover_sum IS NULL AND p.id > ? ORDER BY p.id LIMIT {_AT_ONCE}"
        rows = sql.execute(lacking, (after,)).fetchall()
        checked = zip(rows, check_rows(file.path, series, rows), strict=True)
        sound = [row for row, page in checked if not page.fault]
        symbols, buckets, blobs = ([row[i] for row in sound] for i in (3, 2, 4))
        keys = page_keys(symbols, buckets)
        columns = decode_pages(blobs, keys, name_of=lambda i: page_name(file.path, symbols[i], buckets[i]))
        heads = page_headers(columns, symbols, buckets) if sound else []
        for row, head, blob, key in zip(sound, heads, blobs, keys, strict=True):
            sql.execute(_ADD, (*(head[i] for i in _SUMS_AT), add_key(blob, key), row[0]))
    return rows[-1][0] if rows else None
