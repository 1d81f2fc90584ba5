"""Writing pages: encode outside the lock, merge inside it, acknowledge after COMMIT."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import batched

import polars as pl

from kaboom.bars.folder.connection import folder_lock, store_errors
from kaboom.bars.normalise import sort_bars
from kaboom.bars.pages.changes import plan_changes, prepare_write, refuse_pages, sum_reports
from kaboom.bars.pages.files import ALL, PageFile, PageFiles, has_sums, page_name
from kaboom.bars.pages.frames import PageBatch, split_in_pages
from kaboom.bars.pages.history.moments import WriteMoment, prepare_history
from kaboom.bars.pages.history.replaced_bars import add_runs
from kaboom.bars.pages.schema import ADD_SUMS, HEADER, SID_BITS
from kaboom.bars.store import WriteReport
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
            every = dict.fromkeys(range(len(batch.symbols)), e.message)
            reports.append(WriteReport(0, refused=refuse_pages(batch, every)))
    if damage and len(damage) == len(reports):
        raise damage[0]
    return sum_reports(reports)


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
    write = prepare_write(batch)  # before the lock
    with transaction(file) as sql:
        prepare_file(file, sql)
        moment = WriteMoment(sql, clock())
        sids = give_sids(file, batch.symbols)
        ids = [bucket << SID_BITS | sid for bucket, sid in zip(batch.buckets, sids, strict=True)]
        stored = _stored_blobs(sql, ids)
        if len(stored) < len(ids):
            rows = zip(ids, sids, batch.buckets, write.heads, write.blobs, strict=True)
            new = [(*row, *head, blob, moment.no) for i, (*row, head, blob) in enumerate(rows) if i not in stored]
            sql.executemany(_ADD, new)
        plan = partial(plan_changes, write, stored, name_of=partial(_name, file, batch))
        changes = plan()
        runs, broken = _add_runs(sql, ids, changes.grown, moment) if changes.grown else ({}, {})
        if broken:
            changes = plan(broken=broken)
        sql.executemany(_KEEP, [(ids[i], moment.no, blob) for i, blob in changes.replaced])
        sql.executemany(_GROW, [(grown, ids[i]) for i, grown in runs.items()])
        if changes.are_alike:
            sql.executemany(_UPDATE, [(*head[_VALUES], blob, ids[i]) for i, head, blob in changes.pages])
        else:
            sql.executemany(_REPLACE, [(*head, blob, ids[i]) for i, head, blob in changes.pages])
        moment.check()
    return changes.report


def _name(file: PageFile, batch: PageBatch, i: int) -> str:
    return page_name(file.path, batch.symbols[i], batch.buckets[i])


def _add_runs(
    sql: sqlite3.Connection, ids: list[int], grown: Mapping[int, int], moment: WriteMoment
) -> tuple[dict[int, bytes], dict[int, str]]:
    """Return what `add_runs` does for some of the pages with these ids."""
    held = {i: sql.execute("SELECT grown FROM page WHERE id = ?", (ids[i],)).fetchone()[0] for i in grown}
    return add_runs(grown, held.__getitem__, moment.no)


def _stored_blobs(sql: sqlite3.Connection, ids: list[int]) -> dict[int, bytes]:
    if not sql.execute(_ANY, (min(ids), max(ids))).fetchone()[0]:
        return {}
    found: dict[int, bytes] = {}
    for some in batched(ids, _MOST_IDS):
        # One query for all pages takes a quarter of the time of one for each.
        marks = ", ".join("?" * len(some))
        found |= sql.execute(f"SELECT id, CAST(data AS BLOB) FROM page WHERE id IN ({marks})", some)  # noqa: S608 (only marks)
    return {i: found[page] for i, page in enumerate(ids) if page in found}


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
