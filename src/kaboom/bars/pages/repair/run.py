"""Repairing a whole bar store, file by file, while other processes write."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from kaboom.bars.actions.sqlite import FILE, find_action_files, find_damage, salvage_notes
from kaboom.bars.folder.catalogue import Catalogue
from kaboom.bars.folder.connection import store_errors
from kaboom.bars.normalise import check_source
from kaboom.bars.pages.codec import add_key, decode_pages, page_keys
from kaboom.bars.pages.files import PageFile, PageFiles, has_sums, page_name
from kaboom.bars.pages.history.moments import (
    DamagedHistory,
    WriteMoment,
    begin_again,
    find_damaged_history,
    find_damaged_moments,
    has_history,
)
from kaboom.bars.pages.history.replaced_bars import LOST
from kaboom.bars.pages.repair.archive import DamageArchive, sole_writer, swap_file
from kaboom.bars.pages.repair.pages import buckets_in, days_of, delete_fetches, gaps_of, remove_damaged_pages, salvage
from kaboom.bars.pages.schema import HEADER, SID_BITS, SUMS, page_headers
from kaboom.bars.pages.verify import check_pages, check_rows, check_structure, select_pages
from kaboom.bars.pages.write import prepare_file, transaction
from kaboom.bars.store import Gap, RepairedItem
from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest, StoreDamaged, StoreError
from kaboom.market.bar import BarSeries
from kaboom.market.interval import parse_interval

#: The message about data that a repair cannot restore.
_LOST = (
    "the next ingest saves again what its provider reports; enter again what people added or confirmed"
    " (`kaboom actions add`, `kaboom actions confirm`)"
)
_AT_ONCE = 256
#: Entries of the index that have no page.
_WITHOUT_PAGE = f"""
SELECT q.sid, s.symbol, q.bucket FROM page q INDEXED BY cov JOIN sym s ON s.id = q.sid
WHERE NOT EXISTS (SELECT 1 FROM page p WHERE p.id = q.bucket << {SID_BITS} | q.sid)
"""  # noqa: S608 (a constant)
_ADD = "UPDATE page SET newest_sum = ?, cover_sum = ?, data = ? WHERE id = ?"
_SUMS_AT = tuple(map(HEADER.index, SUMS))


def repair(files: PageFiles, *, at: datetime, is_dry: bool) -> tuple[RepairedItem, ...]:
    """Repair everything as `RepairableStore.repair` says; the archive's folder is named by `at`."""
    archive = None if is_dry else DamageArchive(files.root, at)
    mended = list[RepairedItem]()
    for series, shard in _find_shards(files):
        replaced = replace_file(files, series, shard, archive)
        mended += [replaced] if replaced else _repair_pages(files, series, shard, archive)
        if not (replaced and is_dry):  # in a dry run the damaged file is still there
            mended += _add_sums(files, series, shard, is_dry=is_dry)
    mended += _list_files(files, archive)
    with store_errors(files.root):
        paths = {*find_action_files(files.root), *(path for path in files.catalogue.missing() if path.name == FILE)}
    for path in sorted(paths):
        mended += [found] if (found := replace_actions(path, files.catalogue, archive)) else []
    return tuple(mended)


def _repair_pages(files: PageFiles, series: BarSeries, shard: str, archive: DamageArchive | None) -> list[RepairedItem]:
    with files.opened(series, shard) as file:
        if file is None:
            return []
        mended = rebuild_indexes(file, series, is_dry=archive is None)
        damaged = [page for page in check_pages(file, series) if page.fault]
        mended += remove_damaged_pages(file, series, damaged, archive) if damaged else []
        mended += begin_history_again(file, archive)
        return [*mended, *mark_damaged_history(file, archive)]


def _add_sums(files: PageFiles, series: BarSeries, shard: str, *, is_dry: bool) -> list[RepairedItem]:
    with files.opened(series, shard) as file:
        return add_sums(file, series, is_dry=is_dry) if file else []


def _list_files(files: PageFiles, archive: DamageArchive | None) -> list[RepairedItem]:
    with store_errors(files.root):
        if not files.catalogue.is_lost():
            return []
        if archive is not None:
            files.catalogue.make()
    done = "a new list would have" if archive is None else "a new list has"
    return [RepairedItem(str(files.catalogue.path), "the list of files is missing", f"{done} the files that are there")]


def _find_shards(files: PageFiles) -> Iterator[tuple[BarSeries, str]]:
    """Yield every page file that exists, is in the catalogue, or has left a write-ahead log."""
    found = {(series, shard) for series in files.series() for shard in files.shards(series)}
    with store_errors(files.root):
        paths = [*files.catalogue.missing(), *files.lost()]
    for path in paths:
        try:
            check_source(path.parent.parent.name)
            series = BarSeries(path.parent.parent.name, parse_interval(path.parent.name))
        except InvalidRequest:  # not a file of a bar store
            continue
        found.add((series, path.stem))
    yield from sorted(found, key=lambda each: (each[0].source, each[0].interval, each[1]))


def replace_actions(path: Path, catalogue: Catalogue, archive: DamageArchive | None) -> RepairedItem | None:
    """Replace a damaged file of corporate actions; without `archive` only report. None if it is sound.

    Raises:
        StoreError: writers did not release the lock, or the disk failed; the damaged file is unchanged.

    """
    if archive is None:
        damage = find_damage(path)
        done = f"the notes that can be read would be kept; {_LOST}"
        return RepairedItem(str(path), damage, done) if damage else None
    with sole_writer(path):
        if not (damage := find_damage(path)):
            return None
        notes, kept = swap_file(path, partial(salvage_notes, path), catalogue, archive, "-journal")
    done = f"a new file has the {notes} notes that could be read; {_LOST}"
    return RepairedItem(str(path), damage, done, str(kept) if kept.exists() else "")


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


def begin_history_again(file: PageFile, archive: DamageArchive | None) -> list[RepairedItem]:
    """Have the history of a file begin now if its moments are damaged. Without `archive` only report."""
    if not has_history(file.sql) or not (damage := find_damaged_moments(file.sql)):
        return []
    kept = ""
    if archive is not None:
        with transaction(file) as sql:
            moments = begin_again(sql, utc_now())
            kept = str(archive.keep_rows(file.path, [{"no": no, "at": at, "fault": damage} for no, at in moments]))
    done = "the history begins now" if kept else "the history would begin now"
    return [RepairedItem(f"{file.path} (history)", damage, f"{done}; earlier moments cannot be read", kept)]


def mark_damaged_history(file: PageFile, archive: DamageArchive | None) -> list[RepairedItem]:
    """Move damaged rows to the archive: their moments cannot be read any more. Without `archive` only report.

    Raises:
        StoreError: the file could not be locked or written.

    """
    damaged = find_damaged_history(file)
    if not damaged:
        return []
    kept = ""
    if archive is not None:
        with transaction(file) as sql:
            rows = [{"page": d.page, "no": d.no, "data": d.data, "fault": d.fault} for d in damaged]
            kept = str(archive.keep_rows(file.path, rows))
            marks = [(LOST, d.page, d.no) for d in damaged if not d.is_past]
            sql.executemany("UPDATE replaced SET data = ? WHERE page = ? AND no = ?", marks)
            _mark_pasts(sql, [d for d in damaged if d.is_past])
    done = "the row was moved to the archive" if kept else "the row would be moved to the archive"
    done += "; earlier moments of the page cannot be read"
    return [RepairedItem(d.where, d.fault, done, kept) for d in damaged]


def _mark_pasts(sql: sqlite3.Connection, damaged: Sequence[DamagedHistory]) -> None:
    """Have the history of some pages begin now, inside the caller's transaction: a moment of theirs is wrong."""
    if not damaged:
        return
    no = WriteMoment(sql, utc_now()).no
    sql.executemany("DELETE FROM replaced WHERE page = ? AND no = ?", [(d.page, d.no) for d in damaged if d.no])
    sql.executemany("UPDATE page SET since = ?, grown = NULL WHERE id = ?", [(no, d.page) for d in damaged if not d.no])
    sql.executemany("INSERT OR IGNORE INTO replaced VALUES (?, ?, ?)", [(d.page, no, LOST) for d in damaged])


def find_file_damage(files: PageFiles, series: BarSeries, shard: str) -> str:
    """Return the damage of a file as a whole; "" if the file can be read.

    Raises:
        StoreError: the file cannot be reached, or a newer Kaboom wrote it.

    """
    try:
        with files.opened(series, shard) as file:
            return "it is missing" if file is None else "; ".join(check_structure(file, with_indexes=False)[:3])
    except StoreDamaged as e:
        return e.damage


def replace_file(files: PageFiles, series: BarSeries, shard: str, archive: DamageArchive | None) -> RepairedItem | None:
    """Replace a damaged file; without `archive` only report. None if the file is sound.

    All writers of the folder wait meanwhile, for the seconds that reading takes.

    Raises:
        StoreError: writers did not release the lock, or the disk failed; the damaged file is unchanged.

    """
    path = files.path(series, shard)
    if archive is None:
        damage = find_file_damage(files, series, shard)
        done = "the pages that can be read would be kept, the file moved to the archive"
        return RepairedItem(str(path), damage, done, gaps=_whole(files, series, shard)) if damage else None
    with sole_writer(path):
        damage = find_file_damage(files, series, shard)
        return _replace(files, series, path, damage, archive) if damage else None


def _replace(files: PageFiles, series: BarSeries, path: Path, damage: str, archive: DamageArchive) -> RepairedItem:
    existed = path.exists()
    saved, kept = swap_file(path, lambda fresh: salvage(path, fresh, series), files.catalogue, archive, "-wal", "-shm")
    has_kept = kept.exists() or kept.with_name(f"{kept.name}-wal").exists()
    done = f"a new file has the {saved.pages} pages that could be read" if existed else "a new file is empty"
    gaps = gaps_of(series, saved.lost) if saved.symbols else _whole(files, series, path.stem)
    return RepairedItem(str(path), damage, done, str(kept) if has_kept else "", gaps)


def _whole(files: PageFiles, series: BarSeries, shard: str) -> tuple[Gap, ...]:
    """Return everything that a file can hold, of the symbols in the source's other files."""
    buckets = buckets_in(shard)
    if not buckets:
        return ()
    # How far back daily bars went is unknown; most users ask for a year.
    first, last = (buckets[0], buckets[-1]) if series.interval.is_intraday else (buckets[-2] - 1, buckets[-2])
    days = days_of(series, first), days_of(series, last)
    if days[0] is None or days[1] is None:
        return ()
    symbols = tuple(sorted(_known_symbols(files, series.source)))
    return (Gap(series, symbols, days[0][0], days[1][1], is_guess=True),)


def _known_symbols(files: PageFiles, source: str) -> set[str]:
    known = set[str]()
    for series in files.series():
        for shard in files.shards(series) if series.source == source else ():
            with suppress(StoreError), files.opened(series, shard) as file:
                known |= {row[0] for row in file.sql.execute("SELECT symbol FROM sym")} if file else set()
    return known
