"""Writing pages: encode outside the lock, merge inside it, acknowledge after COMMIT."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import batched, islice

import polars as pl

from kaboom.bars.folder.connection import folder_lock, store_errors
from kaboom.bars.normalise import sort_bars
from kaboom.bars.pages.codec import PageColumns, decode_sound, encode_pages, is_keyed, page_keys
from kaboom.bars.pages.files import ALL, PageFile, PageFiles, has_sums, page_name
from kaboom.bars.pages.frames import PageBatch, split_in_pages, take_pages
from kaboom.bars.pages.history.moments import WriteMoment, prepare_history
from kaboom.bars.pages.history.replaced_bars import Undo, add_run, find_undo
from kaboom.bars.pages.merge import MergedPages, merge_pages
from kaboom.bars.pages.schema import ADD_SUMS, HEADER, SID_BITS, page_headers
from kaboom.bars.store import MOST_CORRECTIONS, Correction, RefusedBars, WriteReport
from kaboom.drivers.clock import Clock, utc_now
from kaboom.errors import StoreDamaged, StoreError
from kaboom.market.bar import BarSeries

_COLUMNS = ("id", "sid", "bucket", *HEADER, "data", "since")
_ADD = f"INSERT INTO page ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 (fixed names)
_REPLACE = f"UPDATE page SET {', '.join(f'{name} = ?' for name in HEADER)}, data = ? WHERE id = ?"  # noqa: S608 (fixed names)
_GROW = "UPDATE page SET grown = ? WHERE id = ?"
_KEEP = "INSERT INTO replaced (page, no, data) VALUES (?, ?, ?)"
#: Columns that the coverage index does not hold: an update of only these leaves the index unchanged.
_VALUES = slice(HEADER.index("o"), HEADER.index("flags"))
_UPDATE = f"UPDATE page SET {', '.join(f'{name} = ?' for name in HEADER[_VALUES])}, data = ? WHERE id = ?"  # noqa: S608 (fixed names)
#: SQLite takes at most 32,766 values in a statement.
_MOST_IDS = 1000
#: One look-up shows whether a session is new, since its pages are one range of ids.
_ANY = "SELECT EXISTS (SELECT 1 FROM page WHERE id BETWEEN ? AND ?)"


def write_bars(files: PageFiles, series: BarSeries, bars: pl.DataFrame, *, clock: Clock = utc_now) -> WriteReport:
    """Store bars, file by file; on return all are durable except those `refused`.

    Replaced bars are kept with the moment of the write, by `clock`. Bars whose page or file is damaged are refused; the
    others are stored.

    Raises:
        InvalidRequest: the source's name is not a plain lower-case name.
        StoreDamaged: every file of these bars is damaged.
        StoreError: not everything was stored; files that were committed keep their bars, and a retry is safe.

    """
    files.path(series, ALL)  # rejects a bad name even if there are no bars
    found = sort_bars(bars)
    reports, damage = list[WriteReport](), list[StoreDamaged]()
    for shard, batch in split_in_pages(series.interval, found):
        try:
            reports.append(_put_batch(files.open_or_create(files.path(series, shard)), batch, clock))
        except StoreDamaged as e:
            damage.append(e)
            reports.append(WriteReport(0, refused=_refuse(batch, dict.fromkeys(range(len(batch.symbols)), e.message))))
    if damage and len(damage) == len(reports):
        raise damage[0]
    refused = _sum_refused(reports)
    return WriteReport(
        written=len(found.seconds) - sum(each.bars for each in refused),
        changed=sum(report.changed for report in reports),
        refused=refused,
        corrected=sum(report.corrected for report in reports),
        corrections=tuple(islice((c for report in reports for c in report.corrections), MOST_CORRECTIONS)),
    )


def _refuse(batch: PageBatch, reasons: Mapping[int, str]) -> tuple[RefusedBars, ...]:
    """Return the bars of some pages of a batch, by their numbers, as refused."""
    starts = batch.columns.offsets.tolist()
    return tuple(RefusedBars(batch.symbols[i], starts[i + 1] - starts[i], why) for i, why in reasons.items())


def _sum_refused(reports: Sequence[WriteReport]) -> tuple[RefusedBars, ...]:
    by_symbol: dict[str, RefusedBars] = {}
    for each in (refused for report in reports for refused in report.refused):
        first = by_symbol.get(each.symbol, replace(each, bars=0))
        by_symbol[each.symbol] = replace(first, bars=first.bars + each.bars)
    return tuple(by_symbol.values())


@contextmanager
def transaction(file: PageFile) -> Iterator[sqlite3.Connection]:
    """Hold the write lock of a file; commits at the end, rolls back on an exception.

    Raises:
        StoreError: the lock was not free in time, the file was replaced meanwhile, or the disk failed.

    """
    with store_errors(file.path), folder_lock(file.path.parent, is_shared=True, within_s=file.busy_timeout_s):
        file.begin()
        try:
            file.check_in_place()
            yield file.sql
            file.sql.execute("COMMIT")
        except BaseException:
            file.sids.clear()  # ids given in this transaction are void
            file.is_current = False
            if file.sql.in_transaction:
                file.sql.execute("ROLLBACK")
            raise


def prepare_file(file: PageFile, sql: sqlite3.Connection) -> None:
    """Give a file of an older Kaboom what it lacks, inside the caller's transaction."""
    if file.is_current:
        return
    prepare_history(file, sql)
    if not has_sums(sql):
        for statement in ADD_SUMS:
            sql.execute(statement)
    file.is_current = True


def _put_batch(file: PageFile, batch: PageBatch, clock: Clock) -> WriteReport:
    keys = page_keys(batch.symbols, batch.buckets)
    blobs, heads = encode_pages(batch.columns, keys), _headers(batch.columns, batch)  # before the lock
    report = WriteReport(written=0)
    with transaction(file) as sql:
        prepare_file(file, sql)
        moment = WriteMoment(sql, clock())
        sids = give_sids(file, batch.symbols)
        ids = [bucket << SID_BITS | sid for bucket, sid in zip(batch.buckets, sids, strict=True)]
        stored = _stored_blobs(sql, ids)
        if len(stored) < len(ids):
            rows = zip(ids, sids, batch.buckets, heads, blobs, strict=True)
            new = [(*row, *head, blob, moment.no) for i, (*row, head, blob) in enumerate(rows) if i not in stored]
            sql.executemany(_ADD, new)
        overlap = {i: blob for i, blob in stored.items() if blob != blobs[i]}
        old, damaged = _decode(file, batch, keys, overlap)
        overlap = {i: blob for i, blob in overlap.items() if i not in damaged}
        if overlap:
            merged = merge_pages(old, take_pages(batch.columns, list(overlap)))
            report = _report_merged(merged, [batch.symbols[i] for i in overlap])
            own = [keys[i] for i in overlap]
            replaced = {ids[i]: blob for i, blob in overlap.items()}
            _keep_replaced(sql, replaced, own, find_undo(old, merged), moment)
            if merged.are_alike and all(map(is_keyed, overlap.values())):
                sql.executemany(_UPDATE, [(*heads[i][_VALUES], blobs[i], ids[i]) for i in overlap])
            else:
                merged_heads = _headers(merged.columns, batch, overlap)
                anew = zip(overlap, merged_heads, encode_pages(merged.columns, own), strict=True)
                sql.executemany(_REPLACE, [(*head, blob, ids[i]) for i, head, blob in anew if blob != stored[i]])
        moment.check()
    return replace(report, refused=_refuse(batch, damaged)) if damaged else report


def _headers(
    columns: PageColumns, batch: PageBatch, pages: Iterable[int] | None = None
) -> list[tuple[int | float, ...]]:
    some = range(len(batch.symbols)) if pages is None else list(pages)
    return page_headers(columns, [batch.symbols[i] for i in some], [batch.buckets[i] for i in some])


def _keep_replaced(
    sql: sqlite3.Connection, stored: Mapping[int, bytes], keys: Sequence[int], undo: Undo, moment: WriteMoment
) -> None:
    ids = list(stored)
    own = [keys[page] for page in undo.pages]
    blobs = stored.values() if undo.is_everything else encode_pages(undo.columns, own, may_be_plain=True)
    sql.executemany(_KEEP, [(ids[page], moment.no, blob) for page, blob in zip(undo.pages, blobs, strict=True)])
    for page, first_s in undo.grown.items():
        (grown,) = sql.execute("SELECT grown FROM page WHERE id = ?", (ids[page],)).fetchone()
        sql.execute(_GROW, (add_run(grown, first_s, moment.no), ids[page]))


def _report_merged(merged: MergedPages, symbols: list[str]) -> WriteReport:
    corrections = tuple(
        Correction(symbols[page], datetime.fromtimestamp(at, UTC), old, new)
        for page, at, old, new in merged.first_corrected(MOST_CORRECTIONS)
    )
    return WriteReport(0, changed=merged.changed, corrected=len(merged.corrected_at), corrections=corrections)


def _stored_blobs(sql: sqlite3.Connection, ids: list[int]) -> dict[int, bytes]:
    if not sql.execute(_ANY, (min(ids), max(ids))).fetchone()[0]:
        return {}
    found: dict[int, bytes] = {}
    for some in batched(ids, _MOST_IDS):
        # One query for all pages takes a quarter of the time of one for each.
        marks = ", ".join("?" * len(some))
        found |= sql.execute(f"SELECT id, CAST(data AS BLOB) FROM page WHERE id IN ({marks})", some)  # noqa: S608 (only marks)
    return {i: found[page] for i, page in enumerate(ids) if page in found}


def _decode(
    file: PageFile, batch: PageBatch, keys: Sequence[int], stored: Mapping[int, bytes]
) -> tuple[PageColumns, dict[int, str]]:
    """Return the stored pages that can be read, and by number the reason for each that cannot."""
    pages = list(stored)
    names = [page_name(file.path, batch.symbols[i], batch.buckets[i]) for i in pages]
    columns, errors = decode_sound(list(stored.values()), [keys[i] for i in pages], name_of=names.__getitem__)
    return columns, {pages[n]: e.message for n, e in errors.items()}


def give_sids(file: PageFile, symbols: list[str]) -> list[int]:
    """Return the ids of symbols; new symbols get one inside the caller's transaction.

    Raises:
        StoreError: the file has more symbols than its format holds.

    """
    for symbol in symbols:
        if symbol not in file.sids:
            file.sql.execute("INSERT OR IGNORE INTO sym (symbol) VALUES (?)", (symbol,))
            (sid,) = file.sql.execute("SELECT id FROM sym WHERE symbol = ?", (symbol,)).fetchone()
            if sid >> SID_BITS:
                raise StoreError(f"{file.path} had {sid} symbols, expected at most {1 << SID_BITS}", retryable=False)
            file.sids[symbol] = sid
    return [file.sids[s] for s in symbols]
